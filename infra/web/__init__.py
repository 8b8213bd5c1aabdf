"""What both HTTP servers share: the door that every request passes, and the listener.

    app = web_app("fleetpulse gateway", version=..., description=...)
    app.include_router(router)              # @router.post(..., dependencies=[needs("ingest")])
    app.include_router(openapi_router(app))
    door = Door(app, Access(directory), load_options("FLEETPULSE_GATEWAY_", port=port), name="gateway")
    async with serving(door) as listening:  # listening.port, listening.url
        ...

A route of the shape `async def f(request: Request) -> Response` is called by the door itself, past FastAPI (ten times
quicker); `body_of(request)` is its body, `principal(request)` who calls.
"""
