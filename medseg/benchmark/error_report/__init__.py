"""Where a model errs: all figures of one prediction file, and the page that shows them."""
