"""ComfyUI-MMGT: speech and one photo to a talking, gesturing person (arXiv 2505.23120). ComfyUI's entry point."""

WEB_DIRECTORY = "./docs/web"  # below it docs/ is the in-app help, colours.js the sockets' colours


async def comfy_entrypoint():
    """Called once by ComfyUI after import; importing this file alone loads and changes nothing."""
    from .nodes import MMGTExtension

    return MMGTExtension()
