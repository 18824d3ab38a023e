"""Refuse to train classes that the training set does not show."""
from collections import Counter

from mmdet.registry import HOOKS
from mmengine.hooks import Hook

from medseg.errors import UserError


@HOOKS.register_module()
class ClassesPresentHook(Hook):
    """Count the objects of each class before training.

    A detector leaves out what it never saw; a semantic model has a mask for it all the same, which
    nothing teaches, and whose figures are undefined.
    """

    def before_train(self, runner) -> None:
        """Count.

        Raises:
            UserError: A class has no object.
        """
        dataset = runner.train_dataloader.dataset
        while hasattr(dataset, 'dataset'):
            dataset = dataset.dataset
        counts = Counter(label for index in range(len(dataset))
                         for label in dataset.get_cat_ids(index))
        missing = [name for label, name in enumerate(dataset.metainfo['classes'])
                   if not counts[label]]
        if missing:
            raise UserError(
                f'{dataset.ann_file}: no object of {", ".join(map(repr, missing))} in '
                f'{len(dataset)} images, so nothing teaches that class; split the data again '
                '(tools/data/split.py), or leave the class out: metainfo.classes and num_classes')
