"""Exported files that were damaged or made to harm, in tables."""
from onnx import TensorProto, helper
from runtime_models import METADATA


def external(location: str) -> TensorProto:
    """A tensor whose numbers lie in another file."""
    tensor = TensorProto(name='stolen', data_type=TensorProto.FLOAT, dims=[16],
                         data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key='location', value=location)
    tensor.external_data.add(key='length', value='64')
    return tensor


def small_graph(*nodes, **parts):
    return helper.make_graph(list(nodes), 'inner', [], [], **parts)


#: Where in a file a tensor may be.
def initializer(model, tensor):
    model.graph.initializer.append(tensor)


def constant(model, tensor):
    model.graph.node.append(helper.make_node('Constant', [], ['c'], value=tensor))


def list_of_tensors(model, tensor):
    node = helper.make_node('Custom', [], ['c'])
    node.attribute.append(helper.make_attribute('values', [tensor]))
    model.graph.node.append(node)


def branch(model, tensor):
    inner = small_graph(helper.make_node('Constant', [], ['c'], value=tensor))
    outer = small_graph(helper.make_node('If', ['x'], ['y'], then_branch=inner, else_branch=inner))
    model.graph.node.append(helper.make_node('If', ['x'], ['z'], then_branch=outer,
                                             else_branch=outer))


def sparse(model, tensor):
    indices = helper.make_tensor('i', TensorProto.INT64, [16], range(16))
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(tensor, indices, [16]))


def function(model, tensor):
    model.functions.append(helper.make_function(
        'own', 'f', [], ['c'], [helper.make_node('Constant', [], ['c'], value=tensor)],
        [helper.make_opsetid('', 17)]))


def training(model, tensor):
    info = model.training_info.add()
    info.initialization.CopyFrom(small_graph(initializer=[tensor]))


PLACES = (initializer, constant, list_of_tensors, branch, sparse, function, training)


#: Paths that lead out of the folder of a model, in the folder that the tests make.
OUTSIDE = (
    '../secret.bin', '../../../../../../etc/passwd', '/etc/passwd', 'more/../../secret.bin',
    './../secret.bin', 'link.bin', 'up/secret.bin', '..\\secret.bin', 'C:\\secret.bin',
    'C:/secret.bin', '', 'a\0b', 'more/..')
#: Values that a key must not have; the names are those of the description.
WRONG = {
    'classes': ([], 'bone', ['a', 'a'], [1, 2], [''], None, {'a': 1}),
    'colors': ('red', [[1, 2]], [[0, 0, 256]] * 4, [[0, 0, -1]] * 4, [[0, 0, 0.5]] * 4,
               [[0, 0, 0]] * 3),
    'category_ids': ([1, 1, 2, 3], ['a'] * 4, [1.5, 2, 3, 4], [1, 2], [True] * 4, 7, [2**60] * 4),
    'mean': ([0, 0], 3, ['a'] * 3, [True, 0, 0], None, [1e40, 0, 0]),
    'std': ([0, 1, 1], [1, 1, -1], [1, 1], None, [1e-40] * 3),
    'to_rgb': (1, 'yes', None), 'keep_ratio': (0, 'no', None), 'crop_masks': (1, 'x'),
    'input_size': ([0, 64], [64], [64.5, 64], [-1, 5], 64, [10**6, 10**6], [True, True]),
    'size_divisor': (0, -32, 1.5, '32', None, 10**9, True),
    'pad_value': ('0', None, [0], 1e40), 'scale': ([0, 640], [640], 640, None, [10**5, 10**5]),
    'score_thr': (-0.1, 1.1, '0', None), 'nms_iou': (-1, 2, None), 'nms_pre': (-2, 1.5, None),
    'nms_type': (3, ['nms']), 'max_per_img': (-2, 10**9, None, 'all'),
    'mask_thr': (0, 1, -1, 2, None, '0.5'), 'mask_resample': ('nearest', 3),
    'mask_stride': (0, -4, 1.5, '4'), 'prototypes_last': (0, 1, 'yes')}
GOOD = dict(METADATA, kind='raw', category_ids=[1, 2, 3, 4], nms_type='nms', mask_stride=4,
            prototypes_last=False)
#: What stands where a description should.
NO_DESCRIPTIONS = (
    '', '[]', '3', 'null', '{', '{"version": 1}', '{"version": 1, "kind": ["raw"]}',
    '{"version": [1], "kind": "raw"}', '{"version": 2, "kind": "raw"}', '{"version": 1, "kind": 7}',
    '[' * 100_000, '{"a":' * 100_000, '{"version": NaN, "kind": "raw"}', '9' * 5_000_000,
    '{"version": 1, "kind": "raw", "mean": [Infinity, 0, 0]}',
    '\ud800', '{"version": ' + '9' * 5000)
