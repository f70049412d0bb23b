import { describe, expect, it } from 'vitest';
import { SPECIAL_RULES, SpecialRule, specialRules, UnsupportedReason } from './format';
import { RuleRegistry } from './rule-registry';

const TOO_MANY = SpecialRule.Unsupported + UnsupportedReason.TooManyRules;

/** A table's rules: the special ones, then some with these words. */
const tableRules = (...rules: readonly number[]): Uint32Array =>
  Uint32Array.from([...specialRules(), ...rules.flatMap((rule) => [rule, rule + 1000])]);

describe('the rules that all tables share', () => {
  it('are numbered once, and special ones keep their numbers', () => {
    const words = new Uint32Array(100);
    const registry = new RuleRegistry(words);
    const first = registry.acquire(tableRules(4, 5));
    const second = registry.acquire(tableRules(6, 5));
    expect([...first.subarray(0, SPECIAL_RULES)]).toEqual([...Array(SPECIAL_RULES).keys()]);
    expect(second[SPECIAL_RULES + 1]).toBe(first[SPECIAL_RULES + 1]);
    expect(new Set([...first, ...second]).size).toBe(SPECIAL_RULES + 3);
    expect(registry.length).toBe(SPECIAL_RULES + 3);
    const number = second[SPECIAL_RULES];
    expect([words[number * 2], words[number * 2 + 1]]).toEqual([6, 1006]);
  });

  it('are free again when no table uses them', () => {
    const registry = new RuleRegistry(new Uint32Array((SPECIAL_RULES + 2) * 2));
    const first = registry.acquire(tableRules(4, 5));
    const second = registry.acquire(tableRules(5));
    registry.release(first);
    expect(registry.length).toBe(SPECIAL_RULES + 1);
    const third = registry.acquire(tableRules(5, 6));
    expect(third[SPECIAL_RULES]).toBe(second[SPECIAL_RULES]);
    expect(third[SPECIAL_RULES + 1]).toBe(first[SPECIAL_RULES]);
    expect(registry.refused).toBe(0);
  });

  it('that find no number become "too many rules"', () => {
    const registry = new RuleRegistry(new Uint32Array((SPECIAL_RULES + 1) * 2));
    const numbers = registry.acquire(tableRules(4, 5, 4));
    expect([...numbers.subarray(SPECIAL_RULES)]).toEqual([SPECIAL_RULES, TOO_MANY, SPECIAL_RULES]);
    expect(registry.refused).toBe(1);
    registry.release(numbers);
    expect(registry.length).toBe(SPECIAL_RULES);
  });

  it('need room for the special ones at least', () => {
    expect(() => new RuleRegistry(new Uint32Array(4))).toThrow(RangeError);
  });
});
