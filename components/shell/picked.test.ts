import { expect, it } from 'vitest';
import { pagePath } from './picked';

it('takes along what is picked, from one live page to another', () => {
  const query = new URLSearchParams('v=1&pid=3,4&container=web&search=read');
  expect(pagePath('/threads', '/', query)).toBe('/threads?pid=3%2C4&container=web');
  expect(pagePath('/', '/latency', query)).toBe('/?pid=3%2C4&container=web');
  expect(pagePath('/', '/', query)).toBe('/');
  expect(pagePath('/sessions', '/', query)).toBe('/sessions');
  expect(pagePath('/threads', '/', new URLSearchParams('search=read'))).toBe('/threads');
  expect(pagePath('/', '/threads', new URLSearchParams('session=a&pid=3'))).toBe('/');
});

it('takes along the range of time, as each page says it', () => {
  expect(pagePath('/threads', '/', new URLSearchParams('from=1&to=2'))).toBe('/threads?range=1-2');
  expect(pagePath('/latency', '/threads', new URLSearchParams('range=1-2&pid=3'))).toBe(
    '/latency?pid=3&range=1-2',
  );
  expect(pagePath('/', '/latency', new URLSearchParams('range=1-2'))).toBe('/?from=1&to=2');
  for (const broken of ['range=1', 'range=', 'from=1', 'range=-2'])
    expect(pagePath('/latency', '/', new URLSearchParams(broken)), broken).toBe('/latency');
});
