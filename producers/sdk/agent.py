"""`AgentReporter`: a Reporter with governance, scopes and periodic metrics, configured as the sources' SDK is."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self, cast, overload
from urllib.parse import quote

from producers.sdk.activity import Activity, memory_total_bytes, resident_bytes
from producers.sdk.digest import ArgumentDigest
from producers.sdk.events import MetricValues, Outcome, Status
from producers.sdk.governed import GovernedResponse, Response, made
from producers.sdk.place import here
from producers.sdk.report import FlushReport
from producers.sdk.reporter import Reporter
from producers.sdk.scopes import MessageScope, RunScope, StepScope, TaskScope, ToolScope
from producers.sdk.trust import TrustScore

if TYPE_CHECKING:
    from producers.governance import Engine, Policy
    from producers.sdk.agent_config import AgentConfig, TrustConfig

_log = logging.getLogger("fleetpulse.sdk")


class AgentReporter(Reporter):
    """Reports one agent, and governs what it answers.

    ::

        async with AgentReporter("support", "acme", policies=[{"id": "no-personal-info"}]) as reporter:
            governed = await reporter.wrap_response(question, answer)
            send(governed.text)

    Keyword arguments are the fields of `producers.sdk.agent_config.AgentConfig`; what is not given comes from
    `FLEETPULSE_<NAME>`, so that nothing need be given where the environment says it. With `gateway` (http://...) and
    `api_key` events go over HTTP, else to the Kafka broker `bootstrap`. Raises `SettingError` that names the setting.

    In asyncio it beats from a task in the agent's own loop; in threads it beats when a scope begins or ends. Metrics go
    out every `metrics_interval_s` by themselves.
    """

    config: AgentConfig

    def __init__(
        self,
        agent_id: str | None = None,
        user_id: str | None = None,
        *,
        policies: Iterable[Policy | Mapping[str, Any]] | None = None,
        gateway: str | None = None,
        api_key: str | None = None,
        metrics_interval_s: float | None = None,
        heartbeat_interval_s: float | None = None,
        batch_size: int | None = None,
        retry_attempts: int | None = None,
        retry_delay_s: float | None = None,
        trust: TrustConfig | Mapping[str, float] | None = None,
        log_level: str | None = None,
        **more: Any,  # noqa: ANN401  # checked by AgentConfig
    ) -> None:
        from producers.sdk.agent_config import make_agent_config  # noqa: PLC0415  # pydantic is paid for here

        config = make_agent_config(
            agent_id=agent_id,
            user_id=user_id,
            policies=None if policies is None else tuple(policies),
            gateway=gateway,
            api_key=api_key,
            metrics_interval_s=metrics_interval_s,
            heartbeat_interval_s=heartbeat_interval_s,
            batch_size=batch_size,
            retry_attempts=retry_attempts,
            retry_delay_s=retry_delay_s,
            trust=trust,
            log_level=log_level,
            **more,
        )
        self._begin(config)
        self.engine = _engine(config.policies)
        self.activity = Activity()
        self.digest = ArgumentDigest()
        self._trust = TrustScore(config.trust)
        self._policies_since_us = time.time_ns() // 1_000
        self._next_beat_s = 0.0
        self._set_logging()
        from producers.sdk.sender import Periodic  # noqa: PLC0415  # with it comes asyncio

        self._periodic = (Periodic(config.metrics_interval_s, self.report_metrics),)

    @classmethod
    def from_env(cls, **more: Any) -> Self:  # noqa: ANN401  # as of the class
        """A reporter made of `FLEETPULSE_*` variables alone; `more` wins. Raises `SettingError`."""
        return cls(**more)

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Self:
        """A reporter made of a mapping with our names or the sources' (`apiKey`, `reportingConfig`, ...).

        Raises `SettingError`.
        """
        from producers.sdk.agent_config import from_camel  # noqa: PLC0415  # as above

        return cls(**from_camel(settings))

    def _set_logging(self) -> None:
        root = logging.getLogger("fleetpulse.sdk")
        root.setLevel(self.config.log_level.upper())
        if self.config.enable_console_logging and not root.hasHandlers():
            root.addHandler(logging.StreamHandler())

    @property
    def trust_score(self) -> float:
        """The agent's own view of its trust, 0 to 1; see `producers.sdk.trust`."""
        return self._trust.score

    async def wrap_response(
        self, user_input: str, agent_response: Response, *, context: Mapping[str, str] | None = None
    ) -> GovernedResponse:
        """Judge an answer by the policies before it leaves; report what they found.

        `agent_response`: the text, or an awaitable or callable that makes it; then the time that takes is the response
        time. Raises only what making the answer raises, after it was counted as a failed request.
        """
        began_s = time.perf_counter()
        alone = here(self.session_id) is None
        try:
            text = await made(agent_response)
        except BaseException:
            if alone:
                self.activity.request((time.perf_counter() - began_s) * 1_000, ok=False)
            raise
        governed = self.govern(user_input, text, context=context)
        if alone:
            self.activity.request((time.perf_counter() - began_s) * 1_000, ok=True)
        return governed

    def govern(self, user_input: str, text: str, *, context: Mapping[str, str] | None = None) -> GovernedResponse:
        """`wrap_response` of a text that is there, for threads: policies, violations, trust; no request is counted."""
        self.beat_if_due()
        if self.engine is None:
            return GovernedResponse(text, True, "allowed", (), self.trust_score)
        place = here(self.session_id)
        evaluation = self.engine.evaluate(user_input, text, context or {})
        violations = list(evaluation.violations())
        for violation in violations:
            self.violation(**violation, run_id=None if place is None else place.run_id)
        self.activity.checked(evaluation.checks, (violation["policy_id"] for violation in violations))
        score = self._trust.note(len(violations)) if evaluation.checks else self.trust_score
        return GovernedResponse(evaluation.text, evaluation.allowed, evaluation.action, evaluation.findings, score)

    def track_task(
        self, name: str | None = None, *, thread_id: str | None = None, run_id: str | None = None
    ) -> TaskScope:
        """A turn of the agent, for `with` or as a decorator; within another turn it belongs to that."""
        return TaskScope(self, name, thread_id=thread_id, run_id=run_id)

    def track_message_sent(self, name: str | None = None) -> MessageScope:
        """The sending of a message to the user, for `with` or as a decorator."""
        return MessageScope(self, name)

    def tool(self, name: str | None = None, *, deadline_s: float | None = None, arguments: object = None) -> ToolScope:
        """An execution of a tool, for `with` or as a decorator; `deadline_s`: how long it may take.

        Of `arguments`, or those of the decorated function, a digest is reported.
        """
        digest = None if arguments is None else self.digest.of(arguments)
        return ToolScope(self, name, digest, deadline_s=deadline_s)

    def run(self, name: str | None = None, *, thread_id: str | None = None, run_id: str | None = None) -> RunScope:
        """A run with steps, for `with` or as a decorator."""
        return RunScope(self, name, thread_id=thread_id, run_id=run_id)

    @overload
    def step(self, run_id: str, step_id: str, status: Outcome = ..., **fields: Any) -> None: ...  # noqa: ANN401  # as of Reporter
    @overload
    def step(self, name: str | None = None, /) -> StepScope: ...
    def step(
        self, run_id: str | None = None, step_id: str | None = None, status: Outcome = "success", **fields: Any
    ) -> StepScope | None:
        """`step("name")`: a step of the current run, for `with` or as a decorator; with an id it is `Reporter.step`."""
        if step_id is None:
            return StepScope(self, run_id)
        return super().step(cast("str", run_id), step_id, status, **fields)

    def heartbeat(self, status: Status = "healthy", **fields: Any) -> None:  # noqa: ANN401  # as of Reporter
        """`Reporter.heartbeat`, with what governance has to say."""
        self._next_beat_s = time.monotonic() + (self.config.heartbeat_interval_s or 0.0)
        fields.setdefault("governance_enabled", self.engine is not None)
        fields.setdefault("policies_loaded", len(self.engine.policies) if self.engine is not None else 0)
        fields.setdefault("last_policy_update", self._policies_since_us)
        fields.setdefault("trust_score", self._trust.score)
        fields.setdefault("memory_used_bytes", resident_bytes())
        fields.setdefault("memory_total_bytes", memory_total_bytes())
        fields.setdefault("cpu_cores", os.cpu_count())
        super().heartbeat(status, **fields)

    def beat_if_due(self) -> None:
        """Beat when the interval is over and no task in the loop does; called where the agent itself is at work."""
        if self._beats is None and self.config.heartbeat_interval_s and time.monotonic() >= self._next_beat_s:
            self.heartbeat()

    def report_metrics(self) -> None:
        """Report the metrics since the last report; happens by itself every `metrics_interval_s` and at the end."""
        values: MetricValues = self.activity.take()
        values["trust_score"] = self._trust.score
        self.metrics(**values)

    def close(self, deadline_s: float | None = None) -> FlushReport | None:
        """`Reporter.close`, after the metrics of the time since the last report; leaves the account for the ledger."""
        if self._sender is None or self._closing is not None:
            return super().close(deadline_s)
        self.report_metrics()
        report = super().close(deadline_s)
        self._leave_account()
        return report

    def _leave_account(self) -> None:
        """What was issued, acknowledged and dropped: for the ledger, where the last heartbeat may not have arrived."""
        if self.config.account_dir is None:
            return
        name = quote(f"{self.config.agent_id}-{os.getpid()}-{self.session_id[:8]}", safe="")[-200:]
        try:
            self.write_account(self.config.account_dir / f"{name}.json")
        except OSError as error:
            _log.warning("the account cannot be written: %s", error)


def _engine(policies: tuple[Any, ...]) -> Engine | None:
    if not policies:
        return None
    from producers.governance import Engine  # noqa: PLC0415  # who has no policies does not pay for them

    return Engine(policies)
