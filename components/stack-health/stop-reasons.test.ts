import { expect, it } from 'vitest';
import { stopReason } from './stop-reasons';

it('has words for reasons, and lets unknown ones stand for themselves', () => {
  expect(stopReason('no frame pointer').advice).toContain('-fno-omit-frame-pointer');
  expect(stopReason('something new')).toMatchObject({ title: 'Something new', advice: '' });
});
