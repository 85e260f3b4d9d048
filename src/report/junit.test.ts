import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { renderJunit } from './junit.ts';

interface Element {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: Element[];
  text: string;
}

const NAME = '[A-Za-z_:][\\w:.-]*';

/** A strict reader of the XML subset without doctype, comments and CDATA. Throws where XML is not well-formed. */
function parseXml(text: string): Element {
  const root: Element = { name: '', attributes: {}, children: [], text: '' };
  const open = [root];
  let at = 0;
  const eat = (pattern: RegExp): RegExpExecArray | null => {
    const match = new RegExp(pattern.source, 'uy');
    match.lastIndex = at;
    const found = match.exec(text);
    if (found !== null) at += found[0].length;
    return found;
  };
  const unescaped = (raw: string): string => {
    if (/[<]/.test(raw) || /&(?!(?:amp|lt|gt|quot|apos|#\d+);)/.test(raw))
      throw new Error(`not escaped: ${raw}`);
    return raw.replace(/&(?:(amp|lt|gt|quot|apos)|#(\d+));/g, (_, name: string | undefined, code: string) =>
      name === undefined
        ? String.fromCodePoint(Number(code))
        : { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }[name as 'amp'],
    );
  };
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what XML 1.0 does not allow.
  if (/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff\p{Cs}]/u.test(text))
    throw new Error('not an XML character');
  if (eat(/<\?xml version="1\.0" encoding="UTF-8"\?>\n/) === null) throw new Error('no declaration');
  while (at < text.length) {
    const parent = open.at(-1)!;
    const closing = eat(new RegExp(`</(${NAME})>`));
    if (closing !== null) {
      if (parent.name !== closing[1]) throw new Error(`</${closing[1]}> closes <${parent.name}>`);
      open.pop();
      continue;
    }
    const start = eat(new RegExp(`<(${NAME})((?: ${NAME}="[^"<]*")*)(/?)>`));
    if (start === null) {
      const characters = eat(/[^<]+/);
      if (characters === null) throw new Error(`cannot be read: ${text.slice(at, at + 40)}`);
      parent.text += unescaped(characters[0]);
      continue;
    }
    const attributes: Record<string, string> = {};
    for (const [, key, value] of start[2]!.matchAll(new RegExp(` (${NAME})="([^"]*)"`, 'g'))) {
      if (key! in attributes) throw new Error(`${key} twice`);
      attributes[key!] = unescaped(value!);
    }
    const element: Element = { name: start[1]!, attributes, children: [], text: '' };
    parent.children.push(element);
    if (start[3] === '') open.push(element);
  }
  if (open.length !== 1 || root.children.length !== 1 || root.text.trim() !== '')
    throw new Error('not one document');
  return root.children[0]!;
}

describe('junit', () => {
  it('looks like this', () => {
    expect(
      renderJunit('gupfuzz compare', [
        {
          name: 'mine',
          cases: [
            { name: 'b01', classname: 'mine' },
            {
              name: 'b02',
              classname: 'mine',
              failure: { message: 'verdict "violated"', text: 'a->b\n<second> line' },
            },
            { name: 'b03', classname: 'mine', skipped: 'step 2 does not apply' },
          ],
        },
        { name: 'files', cases: [{ name: 'bad', classname: 'files', error: 'is not JSON' }] },
      ]),
    ).toBe(`<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="gupfuzz compare" tests="4" failures="1" errors="1" skipped="1">
  <testsuite name="mine" tests="3" failures="1" errors="0" skipped="1">
    <testcase classname="mine" name="b01"/>
    <testcase classname="mine" name="b02">
      <failure message="verdict &quot;violated&quot;">a-&gt;b
&lt;second&gt; line</failure>
    </testcase>
    <testcase classname="mine" name="b03">
      <skipped message="step 2 does not apply"/>
    </testcase>
  </testsuite>
  <testsuite name="files" tests="1" failures="0" errors="1" skipped="0">
    <testcase classname="files" name="bad">
      <error message="is not JSON"/>
    </testcase>
  </testsuite>
</testsuites>
`);
  });

  it('is well-formed and gives the words back, whatever they are', () => {
    const word = fc.string({ unit: 'binary', maxLength: 20 });
    fc.assert(
      fc.property(word, word, word, word, (name, classname, message, text) => {
        const xml = renderJunit(name, [{ name, cases: [{ name, classname, failure: { message, text } }] }]);
        const [suite] = parseXml(xml).children;
        const [testcase] = suite!.children;
        const [failure] = testcase!.children;
        // What XML cannot say becomes U+FFFD.
        const said = (s: string): string =>
          // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what XML 1.0 does not allow.
          s.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Cs}/gu, '\ufffd');
        expect(testcase!.attributes).toEqual({ classname: said(classname), name: said(name) });
        expect(failure!.attributes).toEqual({ message: said(message) });
        expect(failure!.text).toBe(said(text));
      }),
      { numRuns: 2000 },
    );
  });

  it('the reader of this test is strict', () => {
    const head = '<?xml version="1.0" encoding="UTF-8"?>\n';
    for (const bad of [
      '<a>',
      '<a></b>',
      '<a b="1" b="2"/>',
      '<a b="<"/>',
      '<a>&x</a>',
      '<a/><b/>',
      '<a b=1/>',
      '\u0001',
    ])
      expect(() => parseXml(head + bad), bad).toThrow();
  });
});
