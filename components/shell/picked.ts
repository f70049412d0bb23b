/** What is picked of the machine goes along from one of its live pages to the next. */

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
  return picked.size === 0 ? page : `${page}?${picked}`;
}
