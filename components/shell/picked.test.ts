import { expect, it } from 'vitest';
import { pagePath } from './picked';

it('takes along what is picked, from one live page to another', () => {
  const query = new URLSearchParams('v=1&pid=3,4&container=web&search=read&from=1&to=2');
  expect(pagePath('/threads', '/', query)).toBe('/threads?pid=3%2C4&container=web');
  expect(pagePath('/', '/latency', query)).toBe('/?pid=3%2C4&container=web');
  expect(pagePath('/', '/', query)).toBe('/');
  expect(pagePath('/sessions', '/', query)).toBe('/sessions');
  expect(pagePath('/threads', '/', new URLSearchParams('search=read'))).toBe('/threads');
  expect(pagePath('/', '/threads', new URLSearchParams('session=a&pid=3'))).toBe('/');
});
