/**
 * libbpf by FFI: the only file that knows its C interface. Objects and links own kernel resources and free them in
 * `dispose`; errors carry what libbpf and the verifier said.
 */
import { constants } from 'node:os';
import koffi from 'koffi';
import { closeFd, errnoName } from './libc';

export class BpfError extends Error {
  override readonly name = 'BpfError';
  constructor(
    what: string,
    readonly errno: number,
    /** libbpf's own messages about it, newest last. */
    readonly log: string,
  ) {
    super(`${what}: ${errnoName(errno)}${log === '' ? '' : `\n${log.trimEnd()}`}`);
  }
}

type Pointer = bigint;

const LOG_LINES = 200;
const LOG_LINE_BYTES = 8192;
const log: string[] = [];

function bind() {
  let library: ReturnType<typeof koffi.load>;
  try {
    library = koffi.load('libbpf.so.1');
  } catch (cause) {
    throw new BpfError('libbpf.so.1 is not installed: apt-get install libbpf1', 2, String(cause));
  }
  const libc = koffi.load('libc.so.6');
  const vsnprintf = libc.func(
    'int vsnprintf(_Out_ uint8_t *text, size_t size, const char *format, void *arguments)',
  );
  const printer = koffi.proto(
    'int hearth_libbpf_print(int level, const char *format, void *arguments)',
  );
  const f = <T>(signature: string) => library.func(signature) as unknown as T;
  const setPrint = f<(callback: unknown) => void>(
    'void *libbpf_set_print(hearth_libbpf_print *callback)',
  );
  const print = koffi.register((level: number, format: string, args: unknown): number => {
    const DEBUG = 2;
    if (level >= DEBUG) return 0;
    // The verifier's log is one line of many kilobytes, and its reason is at the end.
    const text = Buffer.alloc(1 << 20);
    const length = Math.min(vsnprintf(text, text.length, format, args), text.length - 1);
    log.push(text.toString('utf8', Math.max(0, length - LOG_LINE_BYTES), length));
    if (log.length > LOG_LINES) log.shift();
    return 0;
  }, koffi.pointer(printer));
  setPrint(print);
  return {
    print,
    setPrint,
    openFile: f<(path: string, options: null) => Pointer | null>(
      'void *bpf_object__open_file(const char *path, void *options)',
    ),
    load: library.func('int bpf_object__load(void *object)'),
    close: f<(object: Pointer) => void>('void bpf_object__close(void *object)'),
    findMap: f<(object: Pointer, name: string) => Pointer | null>(
      'void *bpf_object__find_map_by_name(void *object, const char *name)',
    ),
    findProgram: f<(object: Pointer, name: string) => Pointer | null>(
      'void *bpf_object__find_program_by_name(void *object, const char *name)',
    ),
    nextProgram: f<(object: Pointer, previous: Pointer | null) => Pointer | null>(
      'void *bpf_object__next_program(void *object, void *previous)',
    ),
    nextMap: f<(object: Pointer, previous: Pointer | null) => Pointer | null>(
      'void *bpf_object__next_map(void *object, void *previous)',
    ),
    mapName: f<(map: Pointer) => string>('const char *bpf_map__name(void *map)'),
    mapFd: f<(map: Pointer) => number>('int bpf_map__fd(void *map)'),
    mapKeySize: f<(map: Pointer) => number>('uint32_t bpf_map__key_size(void *map)'),
    mapValueSize: f<(map: Pointer) => number>('uint32_t bpf_map__value_size(void *map)'),
    mapMaxEntries: f<(map: Pointer) => number>('uint32_t bpf_map__max_entries(void *map)'),
    setMaxEntries: f<(map: Pointer, entries: number) => number>(
      'int bpf_map__set_max_entries(void *map, uint32_t entries)',
    ),
    reuseFd: f<(map: Pointer, fd: number) => number>('int bpf_map__reuse_fd(void *map, int fd)'),
    programName: f<(program: Pointer) => string>('const char *bpf_program__name(void *program)'),
    programFd: f<(program: Pointer) => number>('int bpf_program__fd(void *program)'),
    setAutocreate: f<(map: Pointer, autocreate: boolean) => number>(
      'int bpf_map__set_autocreate(void *map, bool autocreate)',
    ),
    setAutoload: f<(program: Pointer, autoload: boolean) => number>(
      'int bpf_program__set_autoload(void *program, bool autoload)',
    ),
    attach: f<(program: Pointer) => Pointer | null>('void *bpf_program__attach(void *program)'),
    attachPerfEvent: f<(program: Pointer, fd: number) => Pointer | null>(
      'void *bpf_program__attach_perf_event(void *program, int fd)',
    ),
    destroyLink: f<(link: Pointer) => number>('int bpf_link__destroy(void *link)'),
    lookup: f<(fd: number, key: Uint8Array, value: Uint8Array) => number>(
      'int bpf_map_lookup_elem(int fd, uint8_t *key, _Out_ uint8_t *value)',
    ),
    update: f<(fd: number, key: Uint8Array, value: Uint8Array, flags: number) => number>(
      'int bpf_map_update_elem(int fd, uint8_t *key, uint8_t *value, uint64_t flags)',
    ),
    remove: f<(fd: number, key: Uint8Array) => number>(
      'int bpf_map_delete_elem(int fd, uint8_t *key)',
    ),
    nextKey: f<(fd: number, key: Uint8Array | null, next: Uint8Array) => number>(
      'int bpf_map_get_next_key(int fd, uint8_t *key, _Out_ uint8_t *next)',
    ),
    updateSlowly: library.func(
      'int bpf_map_update_elem(int fd, uint8_t *key, uint8_t *value, uint64_t flags)',
    ),
    takeBatch: f<
      (
        fd: number,
        from: Uint8Array | null,
        next: Uint8Array,
        keys: Uint8Array,
        values: Uint8Array,
        count: Uint32Array,
        options: null,
      ) => number
    >(
      'int bpf_map_lookup_and_delete_batch(int fd, uint8_t *from, _Out_ uint8_t *next, _Out_ uint8_t *keys, _Out_ uint8_t *values, _Inout_ uint32_t *count, void *options)',
    ),
    readBatch: f<
      (
        fd: number,
        from: null,
        next: Uint8Array,
        keys: Uint8Array,
        values: Uint8Array,
        count: Uint32Array,
        options: null,
      ) => number
    >(
      'int bpf_map_lookup_batch(int fd, uint8_t *from, _Out_ uint8_t *next, _Out_ uint8_t *keys, _Out_ uint8_t *values, _Inout_ uint32_t *count, void *options)',
    ),
    updateBatch: f<
      (
        fd: number,
        keys: Uint8Array,
        values: Uint8Array,
        count: Uint32Array,
        options: null,
      ) => number
    >(
      'int bpf_map_update_batch(int fd, uint8_t *keys, uint8_t *values, _Inout_ uint32_t *count, void *options)',
    ),
    setInitialValue: f<(map: Pointer, value: Uint8Array, bytes: number) => number>(
      'int bpf_map__set_initial_value(void *map, uint8_t *value, size_t bytes)',
    ),
    linkFd: f<(link: Pointer) => number>('int bpf_link__fd(void *link)'),
    createIterator: f<(linkFd: number) => number>('int bpf_iter_create(int link_fd)'),
    attachIterator: f<(program: Pointer, options: null) => Pointer | null>(
      'void *bpf_program__attach_iter(void *program, void *options)',
    ),
    enableStats: f<(type: number) => number>('int bpf_enable_stats(int type)'),
    objectInformation: f<(fd: number, information: Uint8Array, length: Uint32Array) => number>(
      'int bpf_obj_get_info_by_fd(int fd, _Inout_ uint8_t *information, _Inout_ uint32_t *length)',
    ),
    possibleCpus: f<() => number>('int libbpf_num_possible_cpus()'),
    version: f<() => string>('const char *libbpf_version_string()'),
  };
}

let bound: ReturnType<typeof bind> | undefined;
/** Binds on first use, so that a missing library is an error of the caller's and not of the import. */
const libbpf = (): ReturnType<typeof bind> => {
  bound ??= bind();
  return bound;
};

function check(what: string, result: number): number {
  if (result < 0) throw new BpfError(what, -result, log.splice(0).join(''));
  return result;
}

function checkPointer(what: string, pointer: Pointer | null): Pointer {
  if (pointer === null || pointer === 0n)
    throw new BpfError(what, koffi.errno(), log.splice(0).join(''));
  return pointer;
}

export const libbpfVersion = (): string => libbpf().version();

/** CPUs for which per-CPU maps have values: those that may ever come online. */
export const possibleCpus = (): number => check('possible CPUs', libbpf().possibleCpus());

/** A map of a loaded object. Key and value sizes are checked: a wrong one would corrupt memory silently. */
export class BpfMap {
  readonly name: string;
  readonly keyBytes: number;
  /** Of one value; per-CPU maps have `possibleCpus` of them, each padded to 8 bytes. */
  readonly valueBytes: number;
  readonly maxEntries: number;
  readonly fd: number;
  readonly #copies: number;

  constructor(pointer: Pointer, perCpu: boolean) {
    this.name = libbpf().mapName(pointer);
    this.fd = libbpf().mapFd(pointer);
    this.keyBytes = libbpf().mapKeySize(pointer);
    this.valueBytes = libbpf().mapValueSize(pointer);
    this.maxEntries = libbpf().mapMaxEntries(pointer);
    this.#copies = perCpu ? possibleCpus() : 1;
  }

  /** The value, or undefined where there is none. Per-CPU values come one after another. */
  lookup(key: Uint8Array): Uint8Array | undefined {
    this.#checkKey(key);
    const bytes =
      this.#copies === 1 ? this.valueBytes : this.#copies * ((this.valueBytes + 7) & ~7);
    const value = new Uint8Array(bytes);
    return libbpf().lookup(this.fd, key, value) === 0 ? value : undefined;
  }

  update(key: Uint8Array, value: Uint8Array): void {
    this.#checkKey(key);
    if (this.#copies !== 1 || value.length !== this.valueBytes) {
      throw new RangeError(
        `value of map ${this.name} has ${this.valueBytes} bytes, not ${value.length}`,
      );
    }
    check(`update of map ${this.name}`, libbpf().update(this.fd, key, value, 0));
  }

  /** False where there was no such key. */
  delete(key: Uint8Array): boolean {
    this.#checkKey(key);
    return libbpf().remove(this.fd, key) === 0;
  }

  keys(): Uint8Array[] {
    const keys: Uint8Array[] = [];
    for (let key: Uint8Array | null = null; keys.length <= this.maxEntries; ) {
      const next = new Uint8Array(this.keyBytes);
      if (libbpf().nextKey(this.fd, key, next) !== 0) break;
      keys.push(next);
      key = next;
    }
    return keys;
  }

  /**
   * Takes all entries out of a hash map and hands them over, some at a time: keys, and values as `lookup` has them, one
   * after another in buffers that are used again. What programs write meanwhile may be lost: they must not.
   */
  takeAll(visit: (keys: Uint8Array, values: Uint8Array, count: number) => void): void {
    const rowBytes = this.#copies * ((this.valueBytes + 7) & ~7);
    const BATCH = 4096;
    const [keys, values] = [
      new Uint8Array(BATCH * this.keyBytes),
      new Uint8Array(BATCH * rowBytes),
    ];
    let from: Uint8Array | null = null;
    for (let isLast = false; !isLast; ) {
      const next = new Uint8Array(Math.max(4, this.keyBytes));
      const count = Uint32Array.of(BATCH);
      const result = libbpf().takeBatch(this.fd, from, next, keys, values, count, null);
      isLast = result === -constants.errno.ENOENT;
      if (!isLast) check(`reading map ${this.name}`, result);
      if (count[0] > 0) visit(keys, values, count[0]);
      from = next;
    }
  }

  /** All values of an array, and of each those of all CPUs, one after another; zero afterwards. Programs must not write. */
  takeArray(): Uint8Array {
    const rowBytes = this.#copies * ((this.valueBytes + 7) & ~7);
    const keys = new Uint8Array(this.maxEntries * 4);
    const values = new Uint8Array(this.maxEntries * rowBytes);
    const count = Uint32Array.of(this.maxEntries);
    const result = libbpf().readBatch(this.fd, null, new Uint8Array(4), keys, values, count, null);
    if (result !== -constants.errno.ENOENT) check(`reading map ${this.name}`, result);
    const zeros = new Uint8Array(values.length);
    check(
      `emptying map ${this.name}`,
      libbpf().updateBatch(this.fd, keys, zeros, Uint32Array.of(this.maxEntries), null),
    );
    return values;
  }

  /** Puts another map into slot 0 of this map of maps. Resolves when no program uses the one that was there any more. */
  replaceInner(inner: BpfMap): Promise<void> {
    const { fd, name } = this;
    const [key, value] = [new Uint8Array(4), new Uint8Array(Uint32Array.of(inner.fd).buffer)];
    return new Promise((resolve, reject) => {
      // Not on this thread: the kernel waits until every CPU has been elsewhere.
      libbpf().updateSlowly.async(fd, key, value, 0, (error: unknown, result: number) => {
        if (error !== null) return reject(error);
        if (result >= 0) resolve();
        else reject(new BpfError(`update of map ${name}`, -result, ''));
      });
    });
  }

  #checkKey(key: Uint8Array): void {
    if (key.length !== this.keyBytes) {
      throw new RangeError(`key of map ${this.name} has ${this.keyBytes} bytes, not ${key.length}`);
    }
  }
}

/** What a program has cost since it was loaded, while statistics were on. */
export interface ProgramRunTime {
  readonly name: string;
  readonly runTimeNs: number;
  readonly runs: number;
}

export interface LoadOptions {
  /** Sizes of maps, by name, where the object's own don't fit. */
  readonly maxEntries?: Readonly<Record<string, number>>;
  /** Maps to share with an object that was loaded before. */
  readonly shared?: readonly BpfMap[];
  /** Programs not to load. */
  readonly without?: readonly string[];
  /** Maps not to make, those of them that the object has: nothing that is loaded may use them. */
  readonly withoutMaps?: readonly string[];
  /** Contents of data sections that are maps of their own, by the section's name. */
  readonly constants?: Readonly<Record<string, Uint8Array>>;
}

/** Loads one object after the other: what libbpf says meanwhile is about that one. */
let loading: Promise<unknown> = Promise.resolve();

/** A loaded object file: programs in the kernel, and their maps. */
export class BpfObject {
  #pointer: Pointer;
  readonly #links: Pointer[] = [];

  private constructor(
    pointer: Pointer,
    readonly path: string,
  ) {
    this.#pointer = pointer;
  }

  /**
   * Opens and loads an object file; nothing is attached. The kernel checks programs for up to a second or two: not on this
   * thread, which goes on meanwhile. Rejects with BpfError, which has the verifier's log.
   */
  static load(path: string, options: LoadOptions = {}): Promise<BpfObject> {
    const object = loading.then(() => BpfObject.#load(path, options));
    loading = object.catch(() => {}); // whoever asked for it gets its error
    return object;
  }

  static async #load(path: string, options: LoadOptions): Promise<BpfObject> {
    const object = BpfObject.#open(path, options);
    if (await object.#loadElsewhere()) return object;
    object.dispose();
    // Once more, for libbpf speaks on this thread alone.
    const again = BpfObject.#open(path, options);
    try {
      check(`load ${path}`, libbpf().load(again.#pointer));
      return again;
    } catch (error) {
      again.dispose();
      throw error;
    }
  }

  static #open(path: string, options: LoadOptions): BpfObject {
    log.length = 0;
    const pointer = checkPointer(`open ${path}`, libbpf().openFile(path, null));
    const object = new BpfObject(pointer, path);
    try {
      for (const [name, entries] of Object.entries(options.maxEntries ?? {})) {
        const map = libbpf().findMap(pointer, name);
        if (map !== null) check(`size of map ${name}`, libbpf().setMaxEntries(map, entries));
      }
      for (const map of options.shared ?? []) {
        const own = libbpf().findMap(pointer, map.name);
        if (own !== null) check(`share map ${map.name}`, libbpf().reuseFd(own, map.fd));
      }
      for (const name of options.without ?? []) {
        const program = libbpf().findProgram(pointer, name);
        if (program !== null) check(`leave out ${name}`, libbpf().setAutoload(program, false));
      }
      for (const name of options.withoutMaps ?? []) {
        const map = libbpf().findMap(pointer, name);
        if (map !== null) check(`leave out map ${name}`, libbpf().setAutocreate(map, false));
      }
      for (const [name, value] of Object.entries(options.constants ?? {})) {
        const map = checkPointer(`section ${name}`, libbpf().findMap(pointer, name));
        check(`value of ${name}`, libbpf().setInitialValue(map, value, value.length));
      }
      return object;
    } catch (error) {
      object.dispose();
      throw error;
    }
  }

  /** On another thread, and in silence: what libbpf says there would wait for this thread, and for ever where it ends. */
  async #loadElsewhere(): Promise<boolean> {
    const { load, setPrint } = libbpf();
    setPrint(null);
    try {
      return await new Promise((resolve) => {
        load.async(this.#pointer, (error: unknown, result: number) =>
          resolve(error === null && result >= 0),
        );
      });
    } finally {
      setPrint(libbpf().print);
    }
  }

  hasMap(name: string): boolean {
    return libbpf().findMap(this.#live, name) !== null;
  }

  map(name: string, kind: 'shared' | 'perCpu' = 'shared'): BpfMap {
    return new BpfMap(
      checkPointer(`map ${name} of ${this.path}`, libbpf().findMap(this.#live, name)),
      kind === 'perCpu',
    );
  }

  /** The file descriptors of all maps that were made. */
  mapFds(): number[] {
    const fds: number[] = [];
    for (
      let map = libbpf().nextMap(this.#live, null);
      map !== null;
      map = libbpf().nextMap(this.#live, map)
    ) {
      const fd = libbpf().mapFd(map);
      if (fd >= 0) fds.push(fd);
    }
    return fds;
  }

  /** Attaches every loaded program by its section's name; `except`: names of programs. */
  attachAll({ except = [] }: { readonly except?: readonly string[] } = {}): void {
    for (const program of this.#programs()) {
      const name = libbpf().programName(program);
      if (except.includes(name)) continue;
      const what = `attach ${name}`;
      this.#links.push(checkPointer(what, libbpf().attach(program)));
    }
  }

  /** Attaches one program by its section's name; returns the function that detaches it. */
  attachProgram(programName: string): () => void {
    const program = this.#program(programName);
    const link = checkPointer(`attach ${programName}`, libbpf().attach(program));
    return this.#own(link);
  }

  /** Makes an iterator of a program; the returned function opens a pass, a file to be read and closed. */
  iterator(programName: string): () => number {
    const program = this.#program(programName);
    const link = checkPointer(`attach ${programName}`, libbpf().attachIterator(program, null));
    this.#own(link);
    return () => check(`iterate ${programName}`, libbpf().createIterator(libbpf().linkFd(link)));
  }

  /** Runs a program at each overflow of a perf event; returns the function that ends that. */
  attachPerfEvent(programName: string, perfEventFd: number): () => void {
    const link = checkPointer(
      `attach ${programName}`,
      libbpf().attachPerfEvent(this.#program(programName), perfEventFd),
    );
    return this.#own(link);
  }

  /** Ends what `attachAll` began, last first: what sees ends goes before what sees beginnings. Maps can still be read. */
  detachAll(): void {
    for (const link of this.#links.splice(0).reverse()) libbpf().destroyLink(link);
  }

  /** All zero unless statistics are on (`enableRunTimeStatistics`). */
  runTimes(): ProgramRunTime[] {
    return this.#programs().map((program) => {
      // struct bpf_prog_info of <linux/bpf.h>
      const information = new Uint8Array(256);
      const RUN_TIME_NS = 192;
      const RUN_COUNT = 200;
      const name = libbpf().programName(program);
      check(
        `information on ${name}`,
        libbpf().objectInformation(libbpf().programFd(program), information, Uint32Array.of(256)),
      );
      const view = new DataView(information.buffer);
      return {
        name,
        runTimeNs: Number(view.getBigUint64(RUN_TIME_NS, true)),
        runs: Number(view.getBigUint64(RUN_COUNT, true)),
      };
    });
  }

  dispose(): void {
    this.detachAll();
    if (this.#pointer !== 0n) libbpf().close(this.#pointer);
    this.#pointer = 0n;
  }

  /** libbpf reads freed memory where it is asked for what is gone. */
  get #live(): Pointer {
    if (this.#pointer === 0n) throw new Error(`${this.path} has been disposed of`);
    return this.#pointer;
  }

  #program(name: string): Pointer {
    return checkPointer(`program ${name}`, libbpf().findProgram(this.#live, name));
  }

  /** Keeps the link until `dispose`, or until the returned function is called. */
  #own(link: Pointer): () => void {
    this.#links.push(link);
    return () => {
      const index = this.#links.indexOf(link);
      if (index < 0) return;
      this.#links.splice(index, 1);
      libbpf().destroyLink(link);
    };
  }

  #programs(): Pointer[] {
    const programs: Pointer[] = [];
    for (
      let p = libbpf().nextProgram(this.#live, null);
      p !== null;
      p = libbpf().nextProgram(this.#live, p)
    ) {
      if (libbpf().programFd(p) >= 0) programs.push(p);
    }
    return programs;
  }
}

/** Lets the kernel measure the run time of BPF programs, until the returned function is called or this process ends. */
export function enableRunTimeStatistics(): () => void {
  const RUN_TIME = 0;
  const fd = check('BPF run time statistics', libbpf().enableStats(RUN_TIME));
  return () => closeFd(fd);
}
