"""Export through MMDeploy: rewriters, checks of the exported graph, running it on a backend.

Nothing is imported here, so that :mod:`.metadata` can be had without torch.
"""
