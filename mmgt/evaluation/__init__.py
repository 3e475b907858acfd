"""Numbers of poses, frames and sound; this room knows no network of ours."""
