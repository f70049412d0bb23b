/** The worker: keeps one profile, and posts what is new of it, a few times a second at most. */
import { ChunkFormatError } from '@/profile/chunk';
import { CollapsedFormatError } from '@/profile/formats/collapsed';
import type { SnapshotPart } from '@/profile/live-protocol';
import { Profile } from '@/profile/profile';
import { AnalysisEngine } from './analysis-engine';
import { LoadError, loadFile, loadSession, type Progress } from './load';
import type { FromWorker, ToWorker } from './protocol';
import { answerBuffers, answerOf, STACKS } from './question';
import { UpdatePace } from './update-pace';

const PROGRESS_MS = 100;

const engine = new AnalysisEngine();
let needsSnapshot = false;
/** The profile is there as a whole, with room for more that will not come. */
let hasRoom = false;
let question = STACKS;
/** The question's. */
let number = 0;
const post = (message: FromWorker, transfer: Transferable[] = []): void =>
  self.postMessage(message, { transfer });

/** Posts what is new; false where nothing is. */
function postNews(): boolean {
  const answer = answerOf(engine, question);
  if (answer === undefined) return false;
  post({ type: 'answer', answer, number }, answerBuffers(answer));
  return true;
}

const pace = new UpdatePace(postNews);

function progress(): Progress {
  let nextMs = 0;
  return (loadedBytes, totalBytes) => {
    if (performance.now() < nextMs) return;
    nextMs = performance.now() + PROGRESS_MS;
    post({ type: 'progress', loadedBytes, ...(totalBytes === undefined ? {} : { totalBytes }) });
  };
}

async function load(read: () => Promise<void>): Promise<void> {
  try {
    await read();
    hasRoom = true;
    pace.start();
  } catch (error) {
    post({ type: 'error', message: explain(error) });
  }
}

async function readSession(url: string): Promise<void> {
  engine.open(new Profile());
  await loadSession(url, (chunk) => engine.append(chunk), progress());
}

function explain(error: unknown): string {
  if (error instanceof LoadError) return error.message;
  if (error instanceof ChunkFormatError) return `The stored profile is damaged: ${error.message}.`;
  if (error instanceof CollapsedFormatError) {
    return `These are no collapsed stacks (lines like main;parse;read 42): ${error.message}.`;
  }
  if (error instanceof RangeError)
    return `The profile is too large for this browser's memory (${error.message}).`;
  return error instanceof Error ? error.message : String(error);
}

function receive(bytes: Uint8Array, part: SnapshotPart | undefined): void {
  if (part?.isFirst === true) needsSnapshot = false;
  if (needsSnapshot) return;
  try {
    if (part?.isFirst === true) engine.openSnapshot(bytes);
    else engine.append(bytes);
  } catch (error) {
    if (!(error instanceof ChunkFormatError)) throw error;
    if (part === undefined) resynchronize();
    else {
      // Asking again would bring the same.
      needsSnapshot = true;
      post({ type: 'error', message: `What Hearth sends can't be read: ${error.message}.` });
    }
    return;
  }
  if (part === undefined) {
    if (engine.needsSnapshot) resynchronize();
  } else {
    if (part.restBytes > 0) return;
    engine.endSnapshot();
  }
  pace.start();
}

/** Names that are held up are worth no new snapshot. */
function receiveNames(bytes: Uint8Array): void {
  try {
    engine.appendNames(bytes);
    pace.start();
  } catch (error) {
    if (!(error instanceof ChunkFormatError)) throw error;
  }
}

function resynchronize(): void {
  needsSnapshot = true;
  post({ type: 'resynchronize' });
}

self.onmessage = ({ data }: MessageEvent<ToWorker>): void => {
  switch (data.type) {
    case 'snapshot':
    case 'chunk':
      receive(new Uint8Array(data.bytes), data.type === 'snapshot' ? data : undefined);
      post({ type: 'applied', number: data.number, untilMs: engine.untilMs });
      break;
    case 'names':
      receiveNames(new Uint8Array(data.bytes));
      post({ type: 'applied', number: data.number, untilMs: engine.untilMs });
      break;
    case 'session':
      void load(() => readSession(data.url));
      break;
    case 'file':
      void load(async () => engine.open(await loadFile(data.file, progress())));
      break;
    case 'view':
      engine.setView(data.view);
      pace.request('now');
      break;
    case 'selected':
      engine.setSelected(data.path);
      pace.request('now');
      break;
    case 'window':
      engine.setWindow(data.window);
      pace.request('now');
      break;
    case 'ask':
      if (data.number !== number) engine.sendAgain();
      ({ question, number } = data);
      pace.request('now');
      break;
    case 'taken':
      pace.taken();
      // Not before: the first picture does not wait for it.
      if (hasRoom) engine.trim();
      hasRoom = false;
      break;
  }
};
