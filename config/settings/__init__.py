"""Settings, one file per concern; what differs by machine comes from the environment."""

from config.settings.apps import *  # noqa: F403
from config.settings.database import *  # noqa: F403
from config.settings.logs import *  # noqa: F403
from config.settings.people import *  # noqa: F403
from config.settings.revenue import *  # noqa: F403
from config.settings.security import *  # noqa: F403
from config.settings.work import *  # noqa: F403
