"""What the API answers and what its streams tell, as models: the source of the schemas in /openapi.json.

No answer passes through them on its way out: bodies are put together as text, and tests hold those texts against these
models. What belongs to a kind (data, result) is put in its place by `server/openapi/kinds.py`.
"""
