"""The tests of Holdfast. CONTRIBUTING.md says which change is tested where."""
