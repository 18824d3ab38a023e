"""Checkpoints that were damaged, made by mistake or made to harm, each with what must be said."""
from __future__ import annotations

import gzip
import io
import os
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch


class Call:
    """Pickles as a call of any function."""

    def __init__(self, function: Callable, *args) -> None:
        self.call = function, args

    def __reduce__(self):
        return self.call


def good() -> dict:
    """A small checkpoint that is in order."""
    return {'state_dict': {'weight': torch.arange(6.).view(2, 3), 'bias': torch.ones(2)},
            'meta': {'epoch': 1, 'iter': 2}}


def saved(content: object, **options) -> bytes:
    """What ``torch.save`` writes."""
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


def archive(data: bytes, storages: dict[str, bytes] | None = None, compression: int = 0) -> bytes:
    """A file in PyTorch's zip format around a pickle, checksums in order."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w', compression) as file:
        file.writestr('archive/data.pkl', data)
        file.writestr('archive/byteorder', b'little')
        for name, content in (storages or {}).items():
            file.writestr(f'archive/data/{name}', content)
        file.writestr('archive/version', b'3\n')
    return buffer.getvalue()


def rewritten(edit: Callable[[str, bytes], bytes], data: bytes | None = None) -> bytes:
    """The good checkpoint with members changed, checksums in order."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data or saved(good()))) as old, \
            zipfile.ZipFile(buffer, 'w') as new:
        for item in old.namelist():
            new.writestr(item, edit(item, old.read(item)))
    return buffer.getvalue()


def pickled(text: str) -> bytes:
    """A pickle of the instructions of a line of :data:`PICKLES`, between start and stop."""
    return b'\x80\x02' + text.encode('latin1') + b'.'


def number(value: int) -> str:
    return 'J' + struct.pack('<i', value).decode('latin1')


def word(text: str) -> str:
    return 'X' + struct.pack('<I', len(text)).decode('latin1') + text


def tensor(kind: str, key: str, count: int, size: list[int], stride: list[int], offset: int = 0
           ) -> str:
    """Instructions of a tensor: numbers of a storage, seen in some shape."""
    def numbers(values: list[int]) -> str:
        return '(' + ''.join(map(number, values)) + 't'

    storage = (f'({word("storage")}ctorch\n{kind}\n{word(key)}{word("cpu")}{number(count)}tQ')
    return (f'ctorch._utils\n_rebuild_tensor_v2\n({storage}{number(offset)}{numbers(size)}'
            f'{numbers(stride)}\x89ccollections\nOrderedDict\n)RtR')


def flipped(data: bytes, at: int) -> bytes:
    """One byte changed."""
    return data[:at] + bytes([data[at] ^ 255]) + data[at + 1:]


def with_tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode='w') as file:
        file.addfile(tarfile.TarInfo('storages'))
    return buffer.getvalue()


def other_zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w') as file:
        file.writestr('word/document.xml', '<a/>')
    return buffer.getvalue()


def doubled_tuples(depth: int) -> str:
    """A tuple of twice a tuple of twice ...: its hash takes 2^depth steps."""
    return ')q\x00' + '0'.join('h\x00h\x00\x86q\x00' for _ in range(depth)).replace('0', '')


_GOOD = saved(good())
_OLD = saved(good(), _use_new_zipfile_serialization=False)
_FOUR = {'0': struct.pack('<4f', 1, 2, 3, 4)}
#: Files that are no checkpoints at all: content, and words of the message.
FOREIGN: dict[str, tuple[bytes, str]] = {
    'nothing': (b'', r'is empty \(0 bytes\)'),
    'text': (b'this is a list of my models\n', 'not a PyTorch checkpoint; it is text'),
    'page': (b'\n<!DOCTYPE html><html><body>Log in</body></html>', 'is a web page'),
    'pointer': (b'version https://git-lfs.github.com/spec/v1\n', 'pointer of Git LFS'),
    'json': (b'{"state_dict": {}}', 'not a PyTorch checkpoint; it is text'),
    'gzip': (gzip.compress(_GOOD), 'is a gzip archive'),
    'tar': (with_tar(), 'is a tar archive'),
    'picture': (b'\x89PNG\r\n\x1a\n' + bytes(range(256)), 'not a PyTorch checkpoint'),
    'zeros': (bytes(5000), 'not a PyTorch checkpoint'),
    'noise': (np.random.default_rng(0).bytes(5000), 'not a PyTorch checkpoint'),
    'other zip': (other_zip(), r'holds no PyTorch data \(`data.pkl`\)'),
    'pickled list': (pickle.dumps([1, 2, 3], 2), 'is not a file of PyTorch'),
    'new pickle': (pickle.dumps([1, 2, 3], 5), 'is not a file of PyTorch'),
    'numpy': (b'\x93NUMPY\x01\x00', 'not a PyTorch checkpoint'),
    'program': (b'\x7fELF\x02\x01\x01', 'not a PyTorch checkpoint'),
}
#: Checkpoints that lost something on their way.
DAMAGED: dict[str, tuple[bytes, str]] = {
    'first bytes': (_GOOD[:10], 'is cut short'),
    'half': (_GOOD[:len(_GOOD) // 2], 'is cut short'),
    'last bytes': (_GOOD[:-20], 'is cut short'),
    'a number': (flipped(_GOOD, _GOOD.index(struct.pack('<2f', 1, 2))), 'the checksum of .*data/'),
    'the pickle': (flipped(_GOOD, _GOOD.index(b'state_dict')), 'the checksum of .*data.pkl'),
    'zeros inside': (_GOOD[:600] + bytes(200) + _GOOD[800:], 'is damaged|holds no PyTorch data'),
    'short numbers': (rewritten(lambda n, d: d[:8] if n.endswith('data/0') else d),
                      'the numbers of data/0 are missing or not 24 bytes'),
    'long numbers': (rewritten(lambda n, d: d * 9 if n.endswith('data/0') else d),
                     'the numbers of data/0'),
    'cut pickle': (rewritten(lambda n, d: d[:-9] if n.endswith('data.pkl') else d), 'is damaged'),
    'empty pickle': (rewritten(lambda n, d: b'' if n.endswith('data.pkl') else d), 'is damaged'),
    'old, cut': (_OLD[:-30], 'is damaged|fewer numbers'),
    'old, first bytes': (_OLD[:40], 'is damaged|not a file of PyTorch'),
    'old, pickle': (_OLD.replace(b'state_dict', b'state\xffdict'), 'is damaged'),
}
#: Pickles that no ``torch.save`` writes, in a file that is otherwise in order.
PICKLES: dict[str, tuple[bytes, str]] = {name: (archive(pickled(text), _FOUR), message)
                                         for name, (text, message) in {
    'missing memo': ('h\x05', 'is damaged .*KeyError: 5'),
    'empty stack': ('\x86', 'is damaged .*ends in the middle'),
    'nothing made': ('', 'is damaged'),
    'mark without end': ('(K\x01', 'ends in the middle'),
    'end without mark': ('K\x01t', 'is damaged'),
    'list as key': ('}](K\x01esK\x01', 'is damaged'),
    'unhashable key': ('}]K\x01s', 'key that is no text and no number'),
    'dictionary as key': ('}}K\x01s', 'key that is no text and no number'),
    'nested key': ('}' + doubled_tuples(60) + 'K\x01s', 'key that is no text and no number'),
    'set of sets': ('c__builtin__\nset\n(](]ltR', 'is damaged'),
    'set of tuples': (f'c__builtin__\nset\n(]({doubled_tuples(60)}etR', 'not made of plain values'),
    'pairs': ('ccollections\nOrderedDict\n(](](]K\x01eetR', 'is not made of pairs'),
    'append to number': ('K\x01K\x02a', 'appends to what is no list'),
    'type of numbers': (tensor('FantasyStorage', '0', 4, [4], [1]), 'holds torch.FantasyStorage'),
    'numbers of nothing': (tensor('FloatStorage', '7', 4, [4], [1]), 'data/7 are missing'),
    'too many numbers': (tensor('FloatStorage', '0', 2**30, [2**30], [1]), 'not 4294967296 bytes'),
    'negative numbers': (tensor('FloatStorage', '0', -4, [4], [1]), 'numbers of an unknown kind'),
    'outside numbers': (tensor('FloatStorage', '0', 4, [4], [1], offset=3), 'is damaged'),
    'far outside': (tensor('FloatStorage', '0', 4, [2], [2**30]), 'is damaged'),
    'negative stride': (tensor('FloatStorage', '0', 4, [2], [-1]), 'described in no known way'),
    'one for billions': (tensor('FloatStorage', '0', 4, [2**15, 2**15], [0, 0]),
                         'larger than its numbers'),
    'sparse': ('ctorch._utils\n_rebuild_sparse_tensor\n)R', 'only plain, dense tensors'),
    'quantised': ('ctorch._utils\n_rebuild_qtensor\n)R', 'only plain, dense tensors'),
    'meta': ('ctorch._utils\n_rebuild_meta_tensor_no_storage\n)R', 'only plain, dense tensors'),
    'tensor of a size': (f'ctorch\nFloatTensor\n({number(2**31 - 1)}{number(64)}tR',
                         'holds torch.FloatTensor'),
    'bytes of a size': (f'c__builtin__\nbytearray\n({number(2**31 - 1)}tR',
                        'asks for `builtins.bytearray`'),
    'slow encoding': (f'c_codecs\nencode\n({word("ab" * 50_000)}{word("punycode")}tR',
                      "encoding 'punycode' is unknown"),
    'array of a size': (f'cnumpy\nndarray\n(({number(2**31 - 1)}{number(64)}ttR',
                        'only ever named'),
    'array of objects': ('cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n('
                         f'{number(2**31 - 1)}tU\x01btR', 'an array is described in no known way'),
    'instruction of Python': ('ios\nsystem\n', 'is damaged'),
    'next protocol': ('\x8c\x02os\x8c\x06system\x93', 'instruction SHORT_BINUNICODE'),
    'half a letter': ('X\x01\x00\x00\x00\xff', 'is damaged'),
    'deep list': ('](' * 50_000 + ']' + 'e' * 50_000, 'nested more than 100 levels deep'),
    'deep tuple': (']' + '\x85' * 50_000, 'nested more than 100 levels deep'),
    'list in itself': (']q\x00h\x00a', 'or holds itself'),
    'dictionary in itself': (f'}}q\x00{word("a")}h\x00s', 'or holds itself'),
}.items()}
#: Files that would run something.
EVIL: dict[str, tuple[bytes, str]] = {name: (saved({**good(), 'extra': value}), message)
                                      for name, (value, message) in {
    'command': (Call(os.system, 'false'), 'system'),
    'folder': (Call(os.mkdir, '/nowhere/at/all'), 'mkdir'),
    'eval': (Call(eval, '1'), 'builtins.eval'),
    'exec': (Call(exec, ''), 'builtins.exec'),
    'import': (Call(__import__, 'antigravity'), '__import__'),
    'open': (Call(open, '/nowhere'), 'open'),
    'attribute': (Call(getattr, 'text', '__class__'), 'getattr'),
    'network': (torch.nn.Linear(2, 2), 'torch.nn.modules.linear'),
    'path': (Path('x'), 'pathlib'),
}.items()}
#: Numbers that are none.
NOT_FINITE: dict[str, tuple[bytes, str]] = {name: (saved(value), message)
                                            for name, (value, message) in {
    'NaN': ({'state_dict': {'a': torch.ones(3), 'b': torch.full((2,), torch.nan)}},
            r'1 of 2 tensors hold NaN or infinity \(such as state_dict.b\)'),
    'infinity': ({'state_dict': {'a': torch.tensor([1., torch.inf])}}, '1 of 1 tensors'),
    'half precision': ({'state_dict': {'a': torch.tensor([torch.nan]).bfloat16()}}, '1 of 1'),
    'average': ({'state_dict': {'a': torch.ones(1)},
                 'ema_state_dict': {'a': torch.tensor([torch.nan])}}, 'ema_state_dict.a'),
    'optimiser': ({'state_dict': {'a': torch.ones(1)},
                   'optimizer': {'state': {0: {'exp_avg': torch.tensor([torch.nan])}}}},
                  'optimizer.state.0.exp_avg'),
}.items()}
ALL: dict[str, tuple[bytes, str]] = {
    f'{kind}: {name}': case for kind, table in (
        ('foreign', FOREIGN), ('damaged', DAMAGED), ('pickle', PICKLES), ('evil', EVIL),
        ('not finite', NOT_FINITE)) for name, case in table.items()}
