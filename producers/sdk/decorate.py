"""A scope around every call of a function, whichever kind of function it is."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

if TYPE_CHECKING:
    from producers.sdk.scopes import Scope

_P = ParamSpec("_P")
_R = TypeVar("_R")
Opener = Callable[[str, object], "Scope"]
"""(name of the function, its arguments) to the scope of one call."""


def decorated(opener: Opener, function: Callable[_P, _R]) -> Callable[_P, _R]:
    """`function` with a scope around each call; a generator's scope lasts until it is exhausted or closed."""
    if inspect.isasyncgenfunction(function):
        wrapped: Callable[..., Any] = _async_generator(opener, function)
    elif inspect.isgeneratorfunction(function):
        wrapped = _generator(opener, function)
    elif inspect.iscoroutinefunction(function):
        wrapped = _coroutine(opener, function)
    else:
        wrapped = _plain(opener, function)
    return cast("Callable[_P, _R]", functools.update_wrapper(wrapped, function))


def _named(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", type(function).__name__)


def _plain(opener: Opener, function: Callable[..., _R]) -> Callable[..., _R]:
    def call(*args: Any, **kwargs: Any) -> _R:  # noqa: ANN401  # whatever the function takes
        with opener(_named(function), (args, kwargs)):
            return function(*args, **kwargs)

    return call


def _coroutine(opener: Opener, function: Callable[..., Awaitable[_R]]) -> Callable[..., Awaitable[_R]]:
    async def call(*args: Any, **kwargs: Any) -> _R:  # noqa: ANN401  # as above
        with opener(_named(function), (args, kwargs)):
            return await function(*args, **kwargs)

    return call


def _generator(
    opener: Opener, function: Callable[..., Generator[Any, Any, Any]]
) -> Callable[..., Generator[Any, Any, Any]]:
    def call(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:  # noqa: ANN401  # as above
        with opener(_named(function), (args, kwargs)) as scope:
            inner = function(*args, **kwargs)
            advance: Callable[[], Any] = functools.partial(inner.send, None)
            try:
                while True:
                    try:
                        item = advance()
                    except StopIteration as stop:
                        return stop.value
                    scope.pause()
                    try:
                        advance = functools.partial(inner.send, (yield item))
                    except GeneratorExit:
                        raise
                    except BaseException as error:  # noqa: BLE001  # it is the generator's to handle
                        advance = functools.partial(inner.throw, error)
                    finally:
                        scope.resume()
            finally:
                inner.close()

    return call


def _async_generator(
    opener: Opener, function: Callable[..., AsyncGenerator[Any, Any]]
) -> Callable[..., AsyncGenerator[Any, Any]]:
    async def call(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:  # noqa: ANN401  # as above
        with opener(_named(function), (args, kwargs)) as scope:
            inner = function(*args, **kwargs)
            advance: Callable[[], Awaitable[Any]] = functools.partial(inner.asend, None)
            try:
                while True:
                    try:
                        item = await advance()
                    except StopAsyncIteration:
                        return
                    scope.pause()
                    try:
                        advance = functools.partial(inner.asend, (yield item))
                    except GeneratorExit:
                        raise
                    except BaseException as error:  # noqa: BLE001  # it is the generator's to handle
                        advance = functools.partial(inner.athrow, error)
                    finally:
                        scope.resume()
            finally:
                await inner.aclose()

    return call
