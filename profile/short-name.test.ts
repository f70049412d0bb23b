import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LabelKind, LabelTable } from './labels';
import { ShortNames, shortJitName, shortName } from './short-name';

/** Full name, short name; names as c++filt, rustc-demangle and the tools themselves write them. */
const CPP: readonly (readonly [string, string])[] = [
  ['main', 'main'],
  ['uv__async_io.part.0', 'uv__async_io.part.0'],
  ['finish_task_switch.isra.0', 'finish_task_switch.isra.0'],
  ['draw(int, char const*)', 'draw'],
  ['Shape::area() const', 'Shape::area'],
  ['Shape::take() &&', 'Shape::take'],
  ['Shape::take() const &', 'Shape::take'],
  ['Shape::~Shape()', 'Shape::~Shape'],
  ['std::vector<int, std::allocator<int> >::push_back(int&&)', 'std::vector<…>::push_back'],
  ['void std::sort<int*, Less>(int*, int*, Less)', 'std::sort<…>'],
  ['unsigned long hash<unsigned long>(unsigned long)', 'hash<…>'],
  [
    'std::vector<int>::iterator std::find<std::vector<int>::iterator, int>(std::vector<int>::iterator, int const&)',
    'std::find<…>',
  ],
  ['std::enable_if<(1)>(0), void>::type f<3>(int)', 'f<…>'],
  ['std::enable_if<((4)>(0)), void>::type f<4>(int)', 'f<…>'],
  ['bool std::operator==<char>(std::string const&, char const*)', 'std::operator==<…>'],
  [
    'std::ostream& std::operator<< <std::char_traits<char> >(std::ostream&, char const*)',
    'std::operator<<<…>',
  ],
  ['Stream::operator<<(int)', 'Stream::operator<<'],
  ['A::operator<(A const&) const', 'A::operator<'],
  ['A::operator>(A const&) const', 'A::operator>'],
  ['A::operator<=>(A const&) const', 'A::operator<=>'],
  ['Pointer<int>::operator->() const', 'Pointer<…>::operator->'],
  ['Pointer<int>::operator->*(int) const', 'Pointer<…>::operator->*'],
  ['Matrix::operator()(int, int) const', 'Matrix::operator()'],
  ['Vector::operator[](unsigned long)', 'Vector::operator[]'],
  ['operator new(unsigned long)', 'operator new'],
  ['operator delete[](void*, unsigned long)', 'operator delete[]'],
  ['Path::operator std::string() const', 'Path::operator std::string'],
  ['Number::operator unsigned long() const', 'Number::operator unsigned long'],
  ['Any::operator std::vector<int>() const', 'Any::operator std::vector<…>'],
  ['Wide<int>::operator bool() const', 'Wide<…>::operator bool'],
  ['operator"" _kg(long double)', 'operator"" _kg'],
  ['(anonymous namespace)::parse(char const*)', '(anonymous namespace)::parse'],
  ['void (anonymous namespace)::walk<int>(int)', '(anonymous namespace)::walk<…>'],
  ['draw(int)::{lambda(int)#1}::operator()(int) const', 'draw::{lambda#1}::operator()'],
  [
    'auto run<int>(int)::{lambda(auto:1)#2}::operator()<int>(int) const',
    'run<…>::{lambda#2}::operator()<…>',
  ],
  ['main::$_0::operator()(int) const', 'main::$_0::operator()'],
  ["draw(int)::'lambda'(int)::operator()(int) const", "draw::'lambda'::operator()"],
  ['decltype(auto) invoke<F, int>(F&&, int&&)', 'invoke<…>'],
  ['decltype ((fp)((a)...)) call<int (*)(int), int>(int (*)(int), int&&)', 'call<…>'],
  ['std::function<void (*(int))(char)>::operator()(int) const', 'std::function<…>::operator()'],
  [
    'std::_Function_handler<int (int), int (*)(int)>::_M_invoke(std::_Any_data const&, int&&)',
    'std::_Function_handler<…>::_M_invoke',
  ],
  ['qsort_r(void*, unsigned long, int (*)(void const*, void const*))', 'qsort_r'],
  ['void (*choose<int>(int))(char)', 'choose<…>'],
  ['name[abi:cxx11](int)', 'name'],
  ['parse(char const*) [clone .isra.0]', 'parse'],
  ['parse(char const*) (.cold)', 'parse'],
  ['non-virtual thunk to Shape::area() const', 'non-virtual thunk to Shape::area'],
  ['vtable for std::vector<int>', 'vtable for std::vector<…>'],
  ['f<(Color)1>(int)', 'f<…>'],
  [
    'void std::sort<int*, Compare<app::operator<<(std::ostream&, int)::{lambda(int, int)#2}> >(int*) [clone .isra.0]',
    'std::sort<…>',
  ],
  ['f<&A::operator>, &A::operator->(int)>(int)', 'f<…>'],
  ['cooperate(int)', 'cooperate'],
  ['my_operator<int>(int)', 'my_operator<…>'],
  [
    'v8::internal::(anonymous namespace)::Invoke(v8::internal::Isolate*)',
    'v8::internal::(anonymous namespace)::Invoke',
  ],
  ['[unknown]', '[unknown]'],
  ['-[NSString length]', '-[NSString length]'],
];

const RUST: readonly (readonly [string, string])[] = [
  [
    'core::ops::function::FnOnce::call_once::h0123456789abcdef',
    'core::ops::function::FnOnce::call_once',
  ],
  ['main::h0123456789abcdef', 'main'],
  [
    '<alloc::vec::Vec<T> as core::ops::drop::Drop>::drop::h0123456789abcdef',
    '<Vec<…> as Drop>::drop',
  ],
  ['<T as alloc::string::ToString>::to_string', '<T as ToString>::to_string'],
  ['<&mut W as core::fmt::Write>::write_str', '<&mut W as Write>::write_str'],
  ['<dyn core::any::Any as core::fmt::Debug>::fmt', '<dyn Any as Debug>::fmt'],
  ['<[T] as alloc::slice::Join<&S>>::join', '<[T] as Join<…>>::join'],
  ['<fn(i32) -> i32 as app::Call>::call', '<fn(i32) -> i32 as Call>::call'],
  ['<alloc::vec::Vec<u8>>::push', 'Vec<…>::push'],
  [
    '<app::run::{closure#0} as core::ops::FnOnce<()>>::call_once',
    '<run::{closure#0} as FnOnce<…>>::call_once',
  ],
  ['<<A as B>::C as core::clone::Clone>::clone', '<C as Clone>::clone'],
  [
    'core::fmt::num::<impl core::fmt::Display for u32>::fmt',
    'core::fmt::num::<impl Display for u32>::fmt',
  ],
  ['std::rt::lang_start::{{closure}}', 'std::rt::lang_start::{{closure}}'],
  ['std::rt::lang_start::<()>::{closure#0}', 'std::rt::lang_start::<…>::{closure#0}'],
  ['app::tree::{impl#3}::walk', 'app::tree::{impl#3}::walk'],
  [
    'core::ops::function::FnOnce::call_once{{vtable.shim}}::h0123456789abcdef',
    'core::ops::function::FnOnce::call_once{{vtable.shim}}',
  ],
];

const GO: readonly (readonly [string, string])[] = [
  ['main.main.func1', 'main.main.func1'],
  ['runtime.mallocgc', 'runtime.mallocgc'],
  ['runtime.(*mcache).refill', 'runtime.(*mcache).refill'],
  ['net/http.(*conn).serve', 'http.(*conn).serve'],
  ['net/http.HandlerFunc.ServeHTTP', 'http.HandlerFunc.ServeHTTP'],
  ['github.com/user/app/store.(*Store).Get-fm', 'store.(*Store).Get-fm'],
  ['gopkg.in/yaml%2ev3.Unmarshal', 'yaml%2ev3.Unmarshal'],
  ['github.com/a/b.Map[go.shape.int,github.com/c/d.T]', 'b.Map[…]'],
];

const JIT: readonly (readonly [string, string])[] = [
  ['JS:*foo file:///srv/app/file.js:12:3', 'foo file.js:12'],
  ['JS:~parse /srv/lib/parse.js:1:10', 'parse parse.js:1'],
  ['JS:^get size /srv/a b/set.js:7:5', 'get size set.js:7'],
  ['JS:* /srv/app/index.js:3:9', '(anonymous) index.js:3'],
  ['JS:*listOnTimeout node:internal/timers:538:9', 'listOnTimeout timers:538'],
  ['LazyCompile:*run /srv/run.js:9', 'run run.js:9'],
  ['Script:~ file:///srv/main.mjs:1:1', '(anonymous) main.mjs:1'],
  ['Eval:~ evalmachine.<anonymous>:1:1', '(anonymous) evalmachine.<anonymous>:1'],
  ['JS:*render https://example.org/a/app.js?v=3:4:2', 'render app.js:4'],
  ['BytecodeHandler:LdaZero', 'BytecodeHandler:LdaZero'],
  ['RegExp:(a|b)+ c', 'RegExp:(a|b)+ c'],
  ['Ljava/lang/String;::hashCode', 'String.hashCode'],
  ['int java.lang.String.hashCode()', 'String.hashCode'],
  ['void com.example.Tree$Node.<init>(int, java.lang.String)', 'Tree$Node.<init>'],
  ['Interpreter', 'Interpreter'],
  ['py::walk:/usr/lib/python3/os.py', 'walk os.py'],
];

describe('shortName', () => {
  it.each(CPP)('of C++: %s', (full, short) => expect(shortName(full)).toBe(short));
  it.each(RUST)('of Rust: %s', (full, short) => expect(shortName(full)).toBe(short));
  it.each(GO)('of Go: %s', (full, short) => expect(shortName(full)).toBe(short));
  it.each(JIT)('of JIT code: %s', (full, short) => expect(shortJitName(full)).toBe(short));

  it('ends, and leaves something, whatever a symbol table holds', () => {
    const part = fc.constantFrom(
      ...'<>()[]{} :&*-,.ao',
      'operator',
      ' as ',
      '::',
      'impl ',
      '->',
      'JS:*',
      'L',
      ';',
    );
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 40 }), (parts) => {
        const name = parts.join('');
        if (name.trim() === '') return;
        expect(typeof shortName(name)).toBe('string');
        expect(shortName(name)).not.toBe('');
        expect(shortJitName(name)).not.toBe('');
      }),
    );
  });
});

describe('ShortNames', () => {
  it('shortens functions only, and stays with its label', () => {
    const labels = new LabelTable();
    const noCode = { module: '', inlined: false, named: true };
    const process = labels.intern({ text: 'sh (12)', kind: LabelKind.Process, ...noCode });
    const unnamed = labels.intern({
      text: 'lib (1).so+0x12',
      kind: LabelKind.Native,
      ...noCode,
      named: false,
    });
    const stop = labels.intern({ text: '[no table in (x)]', kind: LabelKind.Stop, ...noCode });
    const code = labels.intern({ text: 'f(int)', kind: LabelKind.Native, ...noCode });
    const names = new ShortNames(labels);
    expect([process, unnamed, stop, code, code].map((label) => names.of(label))).toEqual([
      'sh (12)',
      'lib (1).so+0x12',
      '[no table in (x)]',
      'f',
      'f',
    ]);
  });
});
