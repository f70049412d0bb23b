import { describe, expect, it } from 'vitest';
import { UnnamedFrames } from './unnamed-frames';

describe('frames without a name', () => {
  it('are counted by module, with the latest reason, the worst first', () => {
    const unnamed = new UnnamedFrames();
    unnamed.add('/lib/a.so', 3, 'stripped');
    unnamed.add('/lib/b.so', 5, 'unreadable');
    unnamed.add('/lib/a.so', 4, 'still stripped');
    unnamed.add('/lib/c.so', 0, 'all are named');
    expect(unnamed.worst(2)).toEqual([
      { module: '/lib/a.so', frames: 7, reason: 'still stripped' },
      { module: '/lib/b.so', frames: 5, reason: 'unreadable' },
    ]);
    expect(unnamed.worst(1)).toHaveLength(1);
  });

  it('are none any more once all have been named', () => {
    const unnamed = new UnnamedFrames();
    unnamed.add('[anon:1]', 3, 'no map');
    unnamed.add('[anon:1]', -2, 'no map');
    expect(unnamed.worst(9)).toEqual([{ module: '[anon:1]', frames: 1, reason: 'no map' }]);
    unnamed.add('[anon:1]', -1, 'no map');
    expect(unnamed.worst(9)).toEqual([]);
  });
});
