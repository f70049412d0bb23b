import { describe, expect, it } from 'vitest';
import { DEFAULT_VIEW } from '@/profile/view';
import { DEFAULT_WINDOW, pageQueryFrom, pageQueryText } from './page-query';

function roundTrip(text: string) {
  return text.startsWith('#') ? pageQueryFrom('', text) : pageQueryFrom(text, '');
}

describe('the query of a page', () => {
  it('is empty for the default view', () => {
    expect(pageQueryText({ view: DEFAULT_VIEW, window: DEFAULT_WINDOW })).toBe('');
    expect(pageQueryFrom('', '')).toEqual({ view: DEFAULT_VIEW, window: DEFAULT_WINDOW });
  });

  it('holds the window beside the view', () => {
    for (const window of [5, 15, 60, 'all'] as const) {
      const query = { view: { ...DEFAULT_VIEW, pids: [7], search: 'a&b=c#d' }, window };
      expect(roundTrip(pageQueryText(query))).toEqual(query);
    }
  });

  it('holds the window alone', () => {
    expect(pageQueryText({ view: DEFAULT_VIEW, window: 60 })).toBe('?window=60');
    expect(pageQueryFrom('?window=60', '').window).toBe(60);
  });

  it('takes nonsense for the default', () => {
    expect(pageQueryFrom('?window=12&pid=x', '')).toEqual({
      view: DEFAULT_VIEW,
      window: DEFAULT_WINDOW,
    });
  });

  it('moves behind # where it is too long for a request', () => {
    const zoom = Array.from({ length: 120 }, (_, i) => `${'deep::'.repeat(12)}function_${i}`);
    const query = { view: { ...DEFAULT_VIEW, zoom }, window: 5 as const };
    const text = pageQueryText(query);
    expect(text.startsWith('#')).toBe(true);
    expect(roundTrip(text)).toEqual(query);
  });
});
