"""The native engine: guest code on the real CPU, in Linux processes that hold nothing else. See docs/native.md."""
