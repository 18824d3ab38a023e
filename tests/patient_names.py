"""Names of images that settle whose they are, and names that do not."""

PEOPLE = ('smith', 'jones', 'lee', 'kim')


def names(text, first=range(4), second=range(1, 11)):
    """``text`` with ``{a}`` and ``{b}`` filled in every way."""
    return [text.format(a=a, b=b) for a in first for b in second]


#: Names, and how many patients they have.
CLEAR = {
    'the project': (names('p{a:02d}_f{b:02d}.png', range(61)), 61),
    'folder': (names('patient_{a}/{b}.png'), 4),
    'folder and name': (names('p{a}/p{a}_{b}.png'), 4),
    'below the patient': (names('case{a}/left/{b}.png') + names('case{a}/right/{b}.png'), 4),
    'subsets': (names('train/p{a}_{b}.png') + names('val/p{a}_{b}.png', range(4, 6)), 6),
    'one word before': (names('peld_P{a}-frame{b}.jpg'), 4),
    'sides': (names('pat{a}_left_{b}.png') + names('pat{a}_right_{b}.png'), 4),
    'subject': (names('sub-{a:03d}_slice{b}.png'), 4),
    'point': (names('subject.{a}.{b}.png'), 4),
    'a running number before': ([f'img_{i:03d}_p{i // 5}_x.png' for i in range(20)], 4),
    'a finer session after': (names('p{a}_2024010{b}.png'), 4),
    'spellings': (['p1_a.png', 'P01_b.png', 'case_1_c.png', 'patient1_d.png', 'Pat-1_e.png',
                   'p2_a.png', 'subject 2_b.png'], 2),
}

#: Names that the first pattern would tear apart, and the words of the message.
UNCLEAR = {
    'person before': (names('{a}_p{b}.jpg', PEOPLE), '4 groups by what stands before it'),
    'person before, dash': (names('{a}-case-{b}.jpg', PEOPLE), '4 groups by what stands before'),
    'number before': (names('{a}_p{b}.jpg', (1234, 1235, 77)), '3 groups by what stands before'),
    'person after': (names('p{b}_{a}.jpg', PEOPLE), '4 groups by the words after it'),
    'person and number after': (names('p{b}_{a}_x1.jpg', PEOPLE), 'by the words after it'),
    'folder': (names('{a}/img_p{b}.jpg', PEOPLE), '4 groups by the folder'),
    'folder in a subset': (names('train/{a}/p{b}.jpg', PEOPLE), '4 groups by the folder'),
    'folder, numbers go on': ([f'{person}/p{10 * i + k}.jpg' for i, person in enumerate(PEOPLE)
                               for k in range(10)], '4 groups by the folder'),
    'spans folders': (names('{a}/p{b}_1.png', ('siteA', 'siteB'), range(3))
                      + names('{a}/p{b}_2.png', ('siteA', 'siteB'), range(3)),
                      '2 groups by the folder'),
    'patient and picture': (names('patient{a}/p{b}.png'), '10 groups by the number after the last'),
    'case and picture': (names('case{a}_p{b}.png'), '10 groups by the number after the last'),
    'no word': (names('{a}_{b}.png', PEOPLE), '4 groups by the name before its last number'),
    'no word, folder': (names('{a}/{b}.png', PEOPLE), '4 groups by the folder'),
    'numbers alone': (names('{a}{b}.png'), 'no patient in the file name (40 of 40'),
    'one without': ([*names('p{a}_{b}.png'), 'frame7.png'], 'frame7.png: no patient'),
}
