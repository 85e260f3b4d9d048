import { describe, expect, it } from 'vitest';
import { policyTemplate, policyTestTemplate } from './scaffold.ts';

describe('templates', () => {
  it('carry the name, and import gupfuzz only', () => {
    const policy = policyTemplate('my-rule');
    expect(policy).toMatch(/^\/\*\*\n \* my-rule: /);
    expect(policy).toContain(`id: 'my-rule',`);
    const imports = [policy, policyTestTemplate('my-rule')].flatMap((text) =>
      text.match(/(?<=from ').*(?=')/g),
    );
    expect(imports).toEqual(['gupfuzz', 'gupfuzz', 'vitest', './my-rule.ts']);
  });

  it('fit in 110 columns', () => {
    const lines = [policyTemplate('m'), policyTestTemplate('m')].flatMap((text) => text.split('\n'));
    expect(lines.filter((line) => line.length > 110)).toEqual([]);
  });

  it.each(['', 'a b', '../x', 'canary', 'pae', 'all'])('refuse the name "%s"', (name) => {
    expect(() => policyTemplate(name)).toThrow(RangeError);
    expect(() => policyTestTemplate(name)).toThrow(RangeError);
  });
});
