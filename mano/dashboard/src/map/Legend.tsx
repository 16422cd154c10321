/** What the colours of the cells mean. */
export function Legend() {
  return (
    <ul className="legend" aria-label="Legend">
      <li>
        <i className="key cpu-free" /> free CPU
      </li>
      <li>
        <i className="key cpu-shared" /> shared pool
      </li>
      <li>
        <i className="key cpu-reserved" /> host and PMD threads
      </li>
      <li>
        <i className="key use-0" />
        <i className="key use-1" />
        <i className="key use-2" /> a VNFC&apos;s own
      </li>
      <li>
        <i className="key cpu-foreign" /> another tenant&apos;s
      </li>
    </ul>
  );
}
