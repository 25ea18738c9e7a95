"""What the API is, told to programs: the OpenAPI document, made from the route's own models and the live catalogue.

`schemas` says what bodies look like, `parts` what operations share, `operations` what each address does; `document` puts
them together and serves them. Nothing here touches a request that is no request for the document.
"""
