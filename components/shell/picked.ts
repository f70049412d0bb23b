/** What is picked of the machine, and the range of time, go along from one of its live pages to the next. */

const LIVE_PAGES = ['/', '/latency', '/threads'];
const PICKED = ['pid', 'container'];

/** The address of a page for who comes from `path` with this query: that of the same page is as by default. */
export function pagePath(page: string, path: string, query: URLSearchParams): string {
  const isAlong =
    page !== path &&
    LIVE_PAGES.includes(page) &&
    LIVE_PAGES.includes(path) &&
    !query.has('session');
  if (!isAlong) return page;
  const picked = new URLSearchParams([...query].filter(([name]) => PICKED.includes(name)));
  const range = rangeIn(query);
  if (range !== undefined) {
    // As profile/view.ts has it, and as the other two pages do.
    if (page === '/') {
      picked.set('from', range[0]);
      picked.set('to', range[1]);
    } else picked.set('range', range.join('-'));
  }
  return picked.size === 0 ? page : `${page}?${picked}`;
}

function rangeIn(query: URLSearchParams): readonly [from: string, to: string] | undefined {
  const [from, to] = query.get('range')?.split('-') ?? [query.get('from'), query.get('to')];
  return from && to ? [from, to] : undefined;
}
