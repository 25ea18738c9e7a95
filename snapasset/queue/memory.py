"""`MemoryQueue`: SAQ's queue in this process's memory, for where no Redis is or while it is away.

Complete to the contract of `saq.queue.base.Queue` (0.26) and run by SAQ's own `Worker`; first in, first out, like
`RedisQueue`, whose job ids it shares. For one event loop in one thread, with any number of workers on it: no method but
`dequeue`, `listen`, `sweep` and `iter_jobs` ever waits, so each is one step of the loop, and a job that is popped is
marked ACTIVE in the same step. Jobs are kept as serialised records: who mutates a handle changes nothing here.

Who may write: a handle knows which life of its key, and which dequeue of it, it came from. What a run says after its
job was retried, swept, finished or enqueued anew is ignored and logged. A handle that comes from no dequeue (of the
caller of `enqueue`, of `job`) speaks for the current life. A handle that went through serialisation is judged by its
`attempts` and `started`.

Where SAQ's own backends are racy or wrong this one keeps the contract and takes the safe way:
 1. A job is never swept for being popped but not yet marked, nor finished, retried or swept after its end.
 2. An abort is not undone by the worker's ACTIVE mark nor by a retry that follows it; a job that ends otherwise first
    keeps that end. A scheduled job that is aborted ends at once. Aborting what has ended changes nothing.
 3. A job that ended while sweep waited for its abort is not run again, unless that very abort ended it.
 4. Retrying a job that was once scheduled queues it once. Its `kwargs` are the stored ones, even if the run changed its
    own. A handle that never ran does not reset attempts and times of the job.
 5. Pauses before a retry survive a wall clock that is set back; a jump of the wall clock makes no running job stuck.
 6. `listen` reports jobs that have ended already, and its timeout is for the whole of it.
 7. Finished jobs are kept for their ttl, yet no more than `max_ended` of them (except with ttl 0: for ever).
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from saq.job import TERMINAL_STATUSES, Job, Status
from saq.utils import now

from snapasset.queue.memory_views import MemoryViews, is_holder, is_stale, remember_origin

if TYPE_CHECKING:
    from snapasset.queue.memory_entries import Entry

log = logging.getLogger("saq")


class MemoryQueue(MemoryViews):
    """See the module; `wall` (seconds since the epoch) and `monotonic` (seconds) are clocks that a test may give."""

    async def disconnect(self) -> None:
        """Release everybody who waits; jobs stay, and whoever comes back is served."""
        self._idle.release()
        self._listeners.close()

    # The life of a job

    async def _enqueue(self, job: Job) -> Job | None:
        if self._entries.taken(job.key):
            return None
        entry = self._entries.new(job.key)
        self._note(entry, job)
        self._entries.accept(entry)
        remember_origin(job, entry)
        if job.scheduled:
            self._entries.put_off(entry, job.scheduled)
        else:
            self._entries.make_ready(entry)
            self._idle.wake()
        if log.isEnabledFor(logging.INFO):
            log.info("Enqueuing %s", job.info(log.isEnabledFor(logging.DEBUG)))
        return job

    async def dequeue(self, timeout: float = 0.0, poll_interval: float = 0.0) -> Job | None:  # noqa: ASYNC109
        """Take the next job, ACTIVE from this moment; None after `timeout` seconds (0: never) or on `disconnect`.

        `poll_interval` is accepted and not needed: whoever waits is woken.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout if timeout > 0 else None
        while True:
            while self._entries.ready:
                entry = next(iter(self._entries.ready.values()))
                if entry.status is not Status.ABORTING:
                    self._entries.hand_out(entry)
                    return self._read(entry)
                self._end_as_aborted(entry, self._read(entry))
            left = None if deadline is None else deadline - loop.time()
            if (left is not None and left <= 0) or not await self._idle.park(left):
                return None

    async def _update(self, job: Job, status: Status | None = None, **_: object) -> None:
        entry = self._writable(job, "update")
        if entry is None:
            return
        job.status = Status(status) if status else entry.status
        if entry.status is Status.ABORTING and job.status not in TERMINAL_STATUSES:
            job.status = Status.ABORTING
            job.error = job.error or self._read(entry).error
        self._learn_of_run(entry, job)
        if job.status in TERMINAL_STATUSES:
            self._end(entry, job)
            return
        self._note(entry, job)
        entry.status = job.status
        await self.notify(job)

    async def _retry(self, job: Job, error: str | None) -> None:
        entry = self._writable(job, "retry", even_ended=True)
        if entry is None:
            return
        if is_holder(job, entry):
            if entry.status is Status.ABORTING and not entry.swept:
                self._end_as_aborted(entry, job)
                return
            job.kwargs = self._read(entry).kwargs
        job.attempts = max(job.attempts, entry.attempts)
        job.worker_id = job.worker_id or entry.worker_id
        job.result = None
        self._note(entry, job)
        entry.status = Status.QUEUED
        pause = job.next_retry_delay()
        if pause > 0:
            self._entries.put_off_for(entry, pause)
        else:
            self._entries.make_ready(entry)
            self._idle.wake()
        await self.notify(job)

    async def _finish(self, job: Job, status: Status, *, result: object = None, error: str | None = None) -> None:
        entry = self._writable(job, "finish")
        if entry is not None:
            self._learn_of_run(entry, job)
            self._end(entry, job)

    async def abort(self, job: Job, error: str, ttl: float = 5) -> None:
        """End a waiting job as ABORTED, ask a running one to stop; its key is refused meanwhile, at most `ttl` seconds.

        A key that is not known is refused for that time too: the abort may have overtaken the enqueue.
        """
        entry = self._entries.get(job.key)
        if entry is None:
            job.status, job.error = Status.ABORTING, error
            self._entries.refuse_for(job.key, ttl)
            await self.notify(job)
        elif entry.ended:
            log.info("Nothing to abort in job %s: %s", job.id, entry.status)
        elif entry.claim is None:
            stored = self._read(entry)
            await self.finish(stored, Status.ABORTED, error=error)
            job.replace(stored)
        else:
            stored = self._read(entry)
            job.status = stored.status = Status.ABORTING
            job.error = stored.error = error
            self._note(entry, stored)
            self._entries.set_aside(entry, ttl)
            await self.notify(job)

    async def finish_abort(self, job: Job) -> None:
        self._entries.allow(job.key)
        await super().finish_abort(job)

    # What time brings

    async def schedule(self, lock: int = 1) -> list[str]:
        """Make ready what is due, unless somebody did in the last `lock` seconds; return the ids."""
        if not self._entries.lock("schedule", lock):
            return []
        promoted = self._entries.promote()
        for _ in promoted:
            self._idle.wake()
        return [self.job_id(entry.key) for entry in promoted]

    async def sweep(self, lock: int = 60, abort: float = 5.0) -> list[str]:
        """Abort what is stuck, give it `abort` seconds to stop, then retry or end it; return the ids.

        Does nothing when somebody swept in the last `lock` seconds. What has expired is forgotten on the way.
        """
        if not self._entries.lock("sweep", lock):
            return []
        self._entries.tidy()
        stuck = [(entry, entry.claim) for entry in self._entries.stuck()]
        for entry, _ in stuck:
            job = self._read(entry)
            log.info("Sweeping job %s", job.info(log.isEnabledFor(logging.DEBUG)))
            if entry.status is not Status.ABORTING:
                await self.abort(job, error=self.swept_error_message)
                entry.swept = True

        def all_let_go(_key: str, _status: Status) -> bool:
            return all(entry.claim != claim for entry, claim in stuck)

        if abort > 0:
            with suppress(TimeoutError):
                await self.listen([entry.key for entry, _ in stuck], all_let_go, timeout=abort)
        for entry, claim in stuck:
            await self._conclude_sweep(entry, held=entry.claim == claim)
        return [self.job_id(entry.key) for entry, _ in stuck]

    async def _conclude_sweep(self, entry: Entry, *, held: bool) -> None:
        ended_by_sweep = entry.swept and entry.status is Status.ABORTED
        if not (held or ended_by_sweep) or not self._entries.bring_back(entry):
            return
        job = self._read(entry)
        if entry.swept and job.retryable:
            await self.retry(job, error=self.swept_error_message)
        elif held:
            await self.finish(job, Status.ABORTED, error=job.error)

    # Handles and records

    def _note(self, entry: Entry, job: Job) -> None:
        """Make `job` the record of `entry`; nothing changes when it cannot be serialised."""
        entry.payload = self.serialize(job)
        entry.attempts, entry.worker_id = job.attempts, job.worker_id
        entry.timeout, entry.heartbeat = job.timeout, job.heartbeat
        entry.started = self._entries.stamp(job.started, entry.started)
        entry.touched = self._entries.stamp(job.touched, entry.touched)

    def _writable(self, job: Job, act: str, *, even_ended: bool = False) -> Entry | None:
        """The entry that `job` may write to; None when there is none, it has ended, or the handle is stale."""
        entry = self._entries.get(job.key)
        if entry is not None and (even_ended or not entry.ended) and not is_stale(job, entry):
            return entry
        log.info("Ignored a late %s of job %s", act, job.id)
        return None

    def _learn_of_run(self, entry: Entry, job: Job) -> None:
        """Complete a handle that comes from no dequeue with what is known of the run."""
        if not is_holder(job, entry):
            job.attempts = max(job.attempts, entry.attempts)
            job.started = job.started or entry.started.wall
            job.worker_id = job.worker_id or entry.worker_id

    def _end(self, entry: Entry, job: Job) -> None:
        by_holder = is_holder(job, entry)
        if job.ttl >= 0:
            if by_holder:
                job.kwargs = self._read(entry).kwargs
            self._note(entry, job)
        self._entries.end(entry, job.status, job.ttl)
        if by_holder:
            self._entries.allow(entry.key)
        self._listeners.publish(entry.key, entry.status)

    def _end_as_aborted(self, entry: Entry, job: Job) -> None:
        job.status, job.error = Status.ABORTED, self._read(entry).error
        job.completed = now()
        self._end(entry, job)
        self.aborted += 1
