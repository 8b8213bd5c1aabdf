"""The HTTP gateway: events of any agent in any language into the topics; 202 only after the broker has them.

For routes (`producers.gateway.routes`): make events, hand them over.

    taken = await accept(request, [Event("fleet.heartbeats", agent_header(request), {"status": "healthy"})])
"""
