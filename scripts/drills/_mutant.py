"""The engine process of the drill `mutant`: what a careless sender would do, and nothing else."""

from __future__ import annotations

import uuid

import django
import msgspec


def main() -> None:
    django.setup()
    from django.core.management import call_command

    from apps.core.book.state import Intent, SubmitIntent
    from apps.engine import actor, sender
    from apps.servers import acks

    class Careless(sender.Sender):
        """Sends an order with unknown outcome again, under another id, instead of asking."""

        async def _ask(self, intent: Intent) -> acks.Resolution | None:
            if not isinstance(intent, SubmitIntent):
                return await super()._ask(intent)
            again = msgspec.structs.replace(intent, order_id=uuid.uuid4())
            await self._send(again)
            return await super()._ask(intent)

    actor.Sender = Careless  # type: ignore[attr-defined]
    call_command("run_engine", owner="drill/one")


if __name__ == "__main__":
    main()
