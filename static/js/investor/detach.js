// The confirmation keeps its figures current while it is read.
import { setFreshness } from "../freshness.js";
import { connectState } from "../live-state.js";
import { makeFigures } from "./figures.js";
import { paintTickets } from "./tickets.js";

const page = document.getElementById("portfolio");
const pill = document.querySelector('[data-fresh="portfolio"]');
const paintFigures = makeFigures(page, page.dataset.account);

connectState({
  url: page.dataset.ws,
  onChange: (state, message) => {
    setFreshness(pill, { atMs: message.at_ms, state: "live" });
    paintFigures(state.accounts ?? {});
    paintTickets(page, state.tickets ?? {});
  },
  onState: ({ state, atMs }) => setFreshness(pill, { atMs, state }),
});
