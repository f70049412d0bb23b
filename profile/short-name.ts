/**
 * Short names of functions: what tells them apart at a glance. Argument lists, return types, hashes and folders go,
 * template parameters fold; the full name stays what is searched and what links hold.
 *
 *     void std::sort<int*, Less>(int*, int*, Less)           std::sort<…>
 *     draw(int)::{lambda(int)#1}::operator()(int) const      draw::{lambda#1}::operator()
 *     <alloc::vec::Vec<T> as core::ops::Drop>::drop::h0…     <Vec<…> as Drop>::drop
 *     net/http.(*conn).serve                                 http.(*conn).serve
 *     JS:*parse file:///srv/app/lib/parse.js:12:3            parse parse.js:12
 */
import { type LabelIndex, LabelKind, type Labels } from './labels';

const FOLDED = '<…>';
/** Longer names are not read: bounds what a hostile symbol can cost. */
const MAX_LENGTH = 16_000;

/** Short names of one table's labels, each made once. */
export class ShortNames {
  readonly #labels: Labels;
  readonly #names: string[];

  constructor(labels: Labels) {
    this.#labels = labels;
    // With its length: an array that is filled here and there is a hash table else.
    this.#names = new Array(labels.length);
  }

  /** What is no function, or has no name, is called what it is called. */
  of(label: LabelIndex): string {
    this.#names[label] ??= this.#make(label);
    return this.#names[label];
  }

  #make(label: LabelIndex): string {
    const { kind, named } = this.#labels;
    const text = this.#labels.textOf(label);
    if (!named[label]) return text;
    switch (kind[label]) {
      case LabelKind.Native:
        return shortName(text);
      case LabelKind.Jit:
        return shortJitName(text);
      default:
        return text;
    }
  }
}

/** The short name of a compiled function: C++, Rust, Go, as demanglers write them. Never empty for a name that is not. */
export function shortName(name: string): string {
  if (!/[<([{/ ]|::h[0-9a-f]{16}$/.test(name)) return name;
  // Whole names in brackets, Objective-C, and what nobody reads.
  if (/^[-+]?\[/.test(name) || name.length > MAX_LENGTH) return name;
  if (isGo(name)) return shortGoName(name);
  const special = SPECIAL.exec(name);
  if (special !== null) return special[0] + shortName(name.slice(special[0].length));
  return new Shortener(name.replace(RUST_HASH, '')).run() || name;
}

/** "vtable for X", "non-virtual thunk to X": X is shortened. */
const SPECIAL =
  /^(?:(?:non-virtual thunk|virtual thunk|covariant return thunk) to|(?:vtable|VTT|typeinfo|typeinfo name|guard variable|reference temporary #\d+|TLS init function|TLS wrapper function|transaction clone|non-transaction clone|construction vtable) for|static constructor for) /;
const RUST_HASH = /::h[0-9a-f]{16}(?=$|\.)/;

function isGo(name: string): boolean {
  return (
    !name.includes('::') && /^[^<(\s]*[./]\(\*|^[\w.~%@-]+(?:\/[\w.~%@-]+)+\.[\w([]/.test(name)
  );
}

/** Without the folders of the import path, and with folded type parameters. */
function shortGoName(name: string): string {
  const folded = name.replace(/\[[^\]]+(?:\][^[\]]*)*\]/, '[…]');
  const head = /^[^([]*/.exec(folded)?.[0] ?? '';
  return folded.slice(head.lastIndexOf('/') + 1);
}

/** What just-in-time compilers write into perf maps: V8, the JVM, Python; others as compiled functions. */
export function shortJitName(name: string): string {
  if (name.length > MAX_LENGTH || V8_OWN.test(name)) return name;
  return shortV8Name(name) ?? shortPythonName(name) ?? shortJavaName(name) ?? shortName(name);
}

/** Code that V8 makes for itself, whose names are no functions'. */
const V8_OWN = /^(?:RegExp|Builtin|BytecodeHandler|Handler|Stub|SharedLibrary|WasmFunction):/;
/** `JS:*name file:///folder/file.js:12:3`; `*` and the like say which compiler made the code. */
const V8 = /^(?:JS|LazyCompile|Function|Script|Eval|InterpretedFunction):[*~^+'-]*(.*)$/s;
const V8_PLACE =
  /^(?:(.*?) )?((?:file:|node:|https?:|wasm:|webpack:|chrome[\w-]*:|\/|\[|evalmachine|[A-Za-z]:\\).*)$/s;

function shortV8Name(name: string): string | undefined {
  const code = V8.exec(name)?.[1].trim();
  if (code === undefined) return undefined;
  const place = V8_PLACE.exec(code) ?? /^(?:(.*) )?(\S+:\d+(?::\d+)?)$/s.exec(code);
  if (place === null) return code || name;
  const [, line] = /:(\d+)(?::\d+)?$/.exec(place[2]) ?? [];
  const path = place[2].replace(/(?::\d+){1,2}$/, '').replace(/[?#].*$/s, '');
  const file = path.slice(Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1) || path;
  return `${place[1] || '(anonymous)'} ${line === undefined ? file : `${file}:${line}`}`;
}

/** `py::name:/folder/file.py` */
function shortPythonName(name: string): string | undefined {
  const [, code, path] = /^py::(.*?):(.*)$/s.exec(name) ?? [];
  return code === undefined ? undefined : `${code} ${path.slice(path.lastIndexOf('/') + 1)}`;
}

/** `Ljava/lang/String;::hashCode`, or `int java.lang.String.hashCode(int)`: class and method. */
function shortJavaName(name: string): string | undefined {
  const [, path, method] = /^L([\w/$-]+);::([\w$<>]+)/.exec(name) ?? [];
  if (path !== undefined) return `${path.slice(path.lastIndexOf('/') + 1)}.${method}`;
  const [, written] = /^(?:[\w.$[\]]+ )?((?:[\w$]+\.)+[\w$<>]+)\([\w.$, [\]]*\)$/.exec(name) ?? [];
  return written?.split('.').slice(-2).join('.');
}

const CLOSING: Readonly<Record<string, string>> = { '(': ')', '<': '>', '[': ']', '{': '}' };

/** The index behind the bracket that closes the one at `open`; the text's end where none does. */
function behindBracket(text: string, open: number): number {
  const closers: string[] = [];
  for (let at = open; at < text.length; at++) {
    // The brackets of `operator<<` are none.
    if (text[at] === 'o' && isOperatorAt(text, at)) {
      at += (OPERATOR.exec(text.slice(at, at + 32))?.[0].length ?? 1) - 1;
      continue;
    }
    const character = text[at];
    const closer = CLOSING[character];
    if (closer !== undefined) closers.push(closer);
    else if (character === '>' && text[at - 1] === '-') continue;
    else if (')>]}'.includes(character)) {
      // In parentheses `<` and `>` may be comparisons, which close nothing.
      const match = closers.lastIndexOf(character);
      if (match < 0 || (character === '>' && match !== closers.length - 1)) continue;
      closers.length = match;
      if (match === 0) return at + 1;
    }
  }
  return text.length;
}

const OPERATOR =
  /^operator(?:\s?(?:\(\)|\[\]|->\*?|<=>|<<=?|>>=?|<=?|>=?|(?:new|delete)(?:\[\])?(?!\w)|co_await(?!\w)|""\s?\w+|[-+*/%^&|~!=,]+))/;

function isOperatorAt(text: string, at: number): boolean {
  return text.startsWith('operator', at) && !(at > 0 && /[\w$]/.test(text[at - 1]));
}

/** What can follow an argument list and belongs to it. */
const QUALIFIERS = /^(?: const\b| volatile\b| restrict\b| noexcept\b| ?&{1,2}(?=$|:| ))+/;

/** Goes through a name once and keeps what stands outside of all brackets. */
class Shortener {
  readonly #name: string;
  #at = 0;
  #out = '';
  /** Where in `out` the name starts if what is before turns out to be a return type. */
  #afterSpace = 0;
  #isConversion = false;

  constructor(name: string) {
    this.#name = name;
  }

  run(): string {
    const name = this.#name;
    while (this.#at < name.length) {
      switch (name[this.#at]) {
        case '(':
          if (!this.#parentheses()) return this.#out;
          break;
        case '<':
          this.#angles();
          break;
        case '{':
          this.#keepTo(behindBracket(name, this.#at), (text) =>
            text.replace(/^\{lambda\(.*\)(?=#|\})/s, '{lambda'),
          );
          break;
        case '[':
          if (!this.#squares()) return this.#out;
          break;
        case ' ':
          this.#space();
          break;
        default:
          this.#character();
      }
    }
    return this.#out;
  }

  #keepTo(end: number, change: (text: string) => string): void {
    this.#out += change(this.#name.slice(this.#at, end));
    this.#at = end;
  }

  /** An argument list goes, with the return type before it. False where the name ends here. */
  #parentheses(): boolean {
    const end = behindBracket(this.#name, this.#at);
    const inside = this.#name.slice(this.#at + 1, end - 1);
    if (inside === 'anonymous namespace' || inside === 'anonymous class') {
      this.#keepTo(end, (text) => text);
      return true;
    }
    // ` (.cold)`: the compiler's copy of a part.
    if (inside.startsWith('.')) {
      this.#out = this.#out.trimEnd();
      return false;
    }
    // `void (*name(int))(char)`: what returns a pointer to a function has it around itself.
    if (/^[*&]+\s*[A-Za-z_~]/.test(inside) && this.#name[end] === '(') {
      this.#out = shortName(inside.replace(/^[*&\s]+/, ''));
      return false;
    }
    const isType = /(?:^|[ :])decltype ?$/.test(this.#out);
    this.#at = end;
    if (isType) return true;
    this.#out = this.#out.slice(this.#afterSpace).trimEnd();
    this.#afterSpace = 0;
    this.#isConversion = false;
    this.#at += QUALIFIERS.exec(this.#name.slice(end, end + 80))?.[0].length ?? 0;
    return true;
  }

  /** Template parameters fold; what Rust puts in front of a method is its type and trait. */
  #angles(): void {
    const end = behindBracket(this.#name, this.#at);
    const inside = this.#name.slice(this.#at + 1, end - 1);
    const isFirst = this.#out === '' || this.#out.endsWith('::');
    const qualified = isFirst ? rustQualifier(inside, this.#out === '') : undefined;
    this.#keepTo(end, () => qualified ?? FOLDED);
  }

  /** False where the name ends here: compilers' notes stand at the end. */
  #squares(): boolean {
    const end = behindBracket(this.#name, this.#at);
    if (/^\[(?:clone |\.)/.test(this.#name.slice(this.#at, this.#at + 8))) {
      this.#out = this.#out.trimEnd();
      return false;
    }
    const isTag = this.#name.startsWith('[abi:', this.#at);
    this.#keepTo(end, (text) => (isTag ? '' : text));
    return true;
  }

  #space(): void {
    this.#out += ' ';
    this.#at++;
    if (!this.#isConversion) this.#afterSpace = this.#out.length;
  }

  #character(): void {
    const name = this.#name;
    if (name[this.#at] === 'o' && isOperatorAt(name, this.#at)) {
      const rest = name.slice(this.#at, this.#at + 64);
      const operator = OPERATOR.exec(rest);
      if (operator !== null) {
        this.#out += operator[0];
        this.#at += operator[0].length;
        // `operator<< <int>`: the space keeps apart what would be another operator.
        if (name.startsWith(' <', this.#at)) this.#at++;
        return;
      }
      // `operator unsigned long`: the rest is a type, spaces and all.
      if (rest.startsWith('operator ')) {
        this.#out += 'operator ';
        this.#at += 9;
        this.#isConversion = true;
        return;
      }
    }
    this.#out += name[this.#at++];
  }
}

/** What stands in angles at the start of a part of a Rust path; undefined where these are parameters. */
function rustQualifier(inside: string, isStart: boolean): string | undefined {
  if (inside.startsWith('impl ')) {
    const [trait, type] = splitOutside(inside.slice(5), ' for ');
    return type === undefined
      ? `<impl ${lastPart(trait)}>`
      : `<impl ${lastPart(trait)} for ${lastPart(type)}>`;
  }
  const [type, trait] = splitOutside(inside, ' as ');
  if (trait !== undefined) return `<${lastPart(type)} as ${lastPart(trait)}>`;
  return isStart ? lastPart(type) : undefined;
}

/** The text before and after the first `separator` outside of all brackets. */
function splitOutside(text: string, separator: string): [string, string | undefined] {
  for (let at = 0; at < text.length; at++) {
    if (CLOSING[text[at]] !== undefined) at = behindBracket(text, at) - 1;
    else if (text.startsWith(separator, at))
      return [text.slice(0, at), text.slice(at + separator.length)];
  }
  return [text, undefined];
}

/** `alloc::vec::Vec<T>` -> `Vec<…>`; `&mut a::B` -> `&mut B`; `a::b::{closure#0}` -> `b::{closure#0}`. */
function lastPart(type: string): string {
  const prefix = /^(?:[&*]+(?:mut |const )?|dyn |fn(?=\())+/.exec(type)?.[0] ?? '';
  const rest = type.slice(prefix.length);
  let start = 0;
  let parameters = rest.length;
  for (let at = 0; at < rest.length; at++) {
    if (rest[at] === '<' && at === start) {
      at = behindBracket(rest, at) - 1;
    } else if (rest[at] === '<') {
      parameters = at;
      at = behindBracket(rest, at) - 1;
    } else if (CLOSING[rest[at]] !== undefined) {
      at = behindBracket(rest, at) - 1;
    } else if (rest.startsWith('::', at)) {
      if (rest[at + 2] !== '{') start = at + 2;
      parameters = rest.length;
      at++;
    }
  }
  const part = rest.slice(start, parameters).replace(/^\[.*::/s, '[');
  return prefix + part + (parameters < rest.length ? FOLDED : '');
}
