import { InvalidArgumentError } from 'commander';
import { describe, expect, it } from 'vitest';
import { chooseFormat, parseDuration, parseFrequency, parsePids, parsePort } from './arguments';

describe('a frequency', () => {
  it('is a whole number of Hz from 1 to 4999', () => {
    expect(parseFrequency('1')).toBe(1);
    expect(parseFrequency('4999')).toBe(4999);
  });

  it.each(['0', '5000', '-5', '99.5', '1e2', '0x10', '', 'fast'])('is not %j', (text) => {
    expect(() => parseFrequency(text)).toThrow(InvalidArgumentError);
  });
});

describe('a port', () => {
  it('may be 0, which takes a free one', () => {
    expect(parsePort('0')).toBe(0);
    expect(parsePort('65535')).toBe(65535);
  });

  it.each(['65536', '-1', 'http'])('is not %j', (text) => {
    expect(() => parsePort(text)).toThrow(InvalidArgumentError);
  });
});

describe('a duration', () => {
  it('is in seconds and may have a fraction', () => {
    expect(parseDuration('5')).toBe(5);
    expect(parseDuration('0.25')).toBe(0.25);
  });

  it.each(['0', '-1', '5s', 'Infinity', '', '3000000'])('is not %j', (text) => {
    expect(() => parseDuration(text)).toThrow(InvalidArgumentError);
  });
});

describe('process IDs', () => {
  it('are separated by commas, and each is taken once', () => {
    expect(parsePids('12, 7,12')).toEqual([12, 7]);
  });

  it('add up when the option is given again', () => {
    expect(parsePids('9', [12])).toEqual([12, 9]);
  });

  it.each(['', '0', 'bash', '12,', '5000000'])('are not %j', (text) => {
    expect(() => parsePids(text)).toThrow(InvalidArgumentError);
  });
});

describe('the format', () => {
  it('is what was asked for', () => {
    expect(chooseFormat('collapsed', 'profile.pb.gz')).toBe('collapsed');
  });

  it('follows the name of the file where nothing was asked for', () => {
    expect(chooseFormat(undefined, 'profile.pb.gz')).toBe('pprof');
    expect(chooseFormat(undefined, 'out.txt')).toBe('collapsed');
    expect(chooseFormat(undefined, undefined)).toBe('collapsed');
  });
});
