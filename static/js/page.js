// Loaded by every page: the behaviours that markup asks for by data attributes.
import { watchDialogs } from "./dialog.js";
import { watchFreshness } from "./freshness.js";
import { watchMenus, watchTabs, watchTrees } from "./widgets.js";
import { watchRequests } from "./requests.js";
import { watchTheme } from "./theme.js";

watchTheme();
watchDialogs();
watchMenus();
watchTabs();
watchTrees();
watchRequests();
watchFreshness();
document.querySelector("[data-autofocus]")?.focus();
