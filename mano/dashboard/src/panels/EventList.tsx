import type { CloudEvent } from "../api/documents";
import { clock } from "../format";
import { eventLine } from "../live/eventText";

export function EventList({ events }: { readonly events: readonly CloudEvent[] }) {
  return (
    <section className="panel events" aria-labelledby="events-title">
      <h2 id="events-title">Events</h2>
      {events.length === 0 && <p className="hint">Nothing has changed since this page was opened.</p>}
      <ol data-testid="events">
        {events.map((event) => {
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
