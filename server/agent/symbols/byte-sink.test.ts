import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteSink } from './byte-sink';

describe('a byte sink', () => {
  it('holds what was appended, however it grew', () => {
    const piece = fc.oneof(
      fc.record({ kind: fc.constant('bytes' as const), text: fc.string({ maxLength: 600 }) }),
      fc.record({ kind: fc.constant('text' as const), text: fc.string({ maxLength: 600 }) }),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
        const sink = new ByteSink(0);
        let expected = '';
        for (const { kind, text: any } of pieces) {
          // Lone surrogates have no UTF-8.
          const text = any.replace(/[\0\ud800-\udfff]/g, 'x');
          if (kind === 'bytes')
            sink.append(Buffer.from(`<${text}>`), 1, 1 + Buffer.byteLength(text));
          else sink.appendText(text);
          expected += text;
        }
        expect(Buffer.from(sink.take()).toString()).toBe(expected);
      }),
    );
  });
});
