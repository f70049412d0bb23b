/** What a page asks its worker about a profile, again and again as that grows, and what it is answered. */
import { type LatencyQuery, type LatencyResult, latencyBuffers } from '@/profile/latency/analysis';
import { type AnalysisUpdate, buffersOf } from './analysis';
import type { AnalysisEngine } from './analysis-engine';
import { type ThreadsQuery, type ThreadsUpdate, threadBuffers } from './thread-analysis';

export type Question =
  | { readonly of: 'stacks' }
  /** With the stacks of what is selected of them. */
  | { readonly of: 'latency'; readonly query: LatencyQuery }
  | { readonly of: 'threads'; readonly query: ThreadsQuery };

/** What has changed since the last answer; latencies are whole each time. */
export type Answer =
  | { readonly of: 'stacks'; readonly update: AnalysisUpdate }
  | {
      readonly of: 'latency';
      readonly result: LatencyResult;
      readonly stacks?: AnalysisUpdate;
    }
  | { readonly of: 'threads'; readonly update: ThreadsUpdate };

export const STACKS: Question = { of: 'stacks' };

/** undefined where nothing is new. All buffers of the answer are the caller's. */
export function answerOf(engine: AnalysisEngine, question: Question): Answer | undefined {
  switch (question.of) {
    case 'stacks': {
      const update = engine.update();
      return update && { of: 'stacks', update };
    }
    case 'latency': {
      const result = engine.latency(question.query);
      const stacks = engine.latencyStacks(result);
      return { of: 'latency', result, ...(stacks === undefined ? {} : { stacks }) };
    }
    case 'threads': {
      const update = engine.threads(question.query);
      return update && { of: 'threads', update };
    }
  }
}

/** The buffers of an answer, to be moved to another thread and not copied. */
export function answerBuffers(answer: Answer): ArrayBuffer[] {
  switch (answer.of) {
    case 'stacks':
      return buffersOf(answer.update);
    case 'latency':
      return [
        ...latencyBuffers(answer.result),
        ...(answer.stacks === undefined ? [] : buffersOf(answer.stacks)),
      ];
    case 'threads':
      return threadBuffers(answer.update);
  }
}
