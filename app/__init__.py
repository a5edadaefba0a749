"""The Streamlit app. `main` is the page and reads like its screen; a module per panel; `zoommap` is the map component.

Imported as `zoomdiff.app`: pyproject.toml maps this folder into the package.
"""
