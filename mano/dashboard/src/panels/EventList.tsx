import type { CloudEvent } from "../api/documents";
import { clock } from "../format";
import { eventLine } from "../live/eventText";

/** Steps are told when they end; that they began is no news. */
function isNews(event: CloudEvent): boolean {
  const state = event.data["stepState"];
  return typeof state !== "string" || state.toLowerCase() !== "running";
}

export function EventList({ events }: { readonly events: readonly CloudEvent[] }) {
  return (
    <section className="panel events" aria-labelledby="events-title">
      <h2 id="events-title">Events</h2>
      {events.length === 0 && <p className="hint">Nothing has changed since this page was opened.</p>}
      <ol data-testid="events">
        {events.filter(isNews).map((event) => {
          const { text, mood } = eventLine(event);
          const time = new Date(event.time);
          return (
            <li key={event.id} className={`mood-${mood}`} title={event.type}>
              <time dateTime={event.time}>{Number.isNaN(time.getTime()) ? "" : clock(time)}</time>
              <span>{text}</span>
            </li>
          );
        })}
      </ol>
    </section>
  );
}
