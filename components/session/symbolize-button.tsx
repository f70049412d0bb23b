'use client';

import { useState } from 'react';
import { ApiError, messageOf } from '@/components/shell/api';
import { buttonClass } from '@/components/ui/button';
import { ReloadIcon } from '@/components/ui/icons';
import { Popover } from '@/components/ui/popover';
import { API } from '@/profile/live-protocol';
import {
  describeSymbolizing,
  type SymbolizedModule,
  type SymbolizingMessage,
  type SymbolizingReport,
} from '@/profile/symbolizing';

const MODULES_SHOWN = 8;

type State =
  | { readonly step: 'running'; readonly text: string }
  | { readonly step: 'done'; readonly report: SymbolizingReport }
  | { readonly step: 'failed'; readonly text: string };

/** Has the recording's functions named again, and says what has come of it. `onChanged`: names are others now. */
export function SymbolizeButton({ id, onChanged }: { readonly id: string; onChanged(): void }) {
  const [state, setState] = useState<State>();

  const start = async (): Promise<void> => {
    setState({ step: 'running', text: 'Looking for symbols…' });
    try {
      for await (const message of symbolizeSession(id)) {
        if (message.kind === 'progress') {
          const { done, modules, module } = message;
          setState({ step: 'running', text: `${done + 1} of ${modules}: ${module}` });
        } else if (message.kind === 'report') {
          setState({ step: 'done', report: message.report });
          if (message.report.changed > 0) onChanged();
        } else throw new Error(message.error);
      }
    } catch (error) {
      setState({ step: 'failed', text: messageOf(error) });
    }
  };

  return (
    <Popover
      label="Symbolize again"
      buttonClass={buttonClass()}
      buttonTitle="Look for better names: symbols may have been installed since"
      button={
        <>
          <ReloadIcon />
          Symbolize again
        </>
      }
    >
      {() => (
        <div className="w-88 max-w-full text-sm">
          {state?.step === 'done' ? <Report report={state.report} /> : null}
          {state?.step === 'failed' ? (
            <p role="alert" className="text-danger">
              {state.text}
            </p>
          ) : null}
          {state?.step === 'running' ? (
            <p role="status" className="breathing truncate" title={state.text}>
              {state.text}
            </p>
          ) : (
            <>
              {state === undefined ? (
                <p className="text-dim">
                  Names the recording’s functions again from the programs and debug files that are
                  on this machine now.
                </p>
              ) : null}
              <button type="button" className={buttonClass('primary', 'mt-3')} onClick={start}>
                {state === undefined ? 'Look for symbols' : 'Look again'}
              </button>
            </>
          )}
        </div>
      )}
    </Popover>
  );
}

function Report({ report }: { readonly report: SymbolizingReport }) {
  const shown = report.modules.filter(({ changed, unnamedAfter }) => changed + unnamedAfter > 0);
  return (
    <div role="status">
      <p>{describeSymbolizing(report)}</p>
      <ul className="mt-2 space-y-1.5">
        {shown.slice(0, MODULES_SHOWN).map((module) => (
          <li key={module.module}>
            <span className="block truncate font-medium" title={module.module}>
              {module.module}
            </span>
            <span className="block text-dim">{describeModule(module)}</span>
          </li>
        ))}
      </ul>
      {shown.length > MODULES_SHOWN ? (
        <p className="mt-2 text-dim">and {shown.length - MODULES_SHOWN} more files</p>
      ) : null}
    </div>
  );
}

function describeModule(module: SymbolizedModule): string {
  const { frames, unnamedBefore, unnamedAfter, changed, reason } = module;
  const counts =
    changed === 0
      ? `${unnamedAfter} of ${frames} places have no name`
      : `${unnamedBefore} of ${frames} places had no name, ${unnamedAfter} have none now; ${changed} changed`;
  return reason === '' ? counts : `${counts}: ${reason}`;
}

async function* symbolizeSession(id: string): AsyncGenerator<SymbolizingMessage> {
  const response = await fetch(`${API}/sessions/${encodeURIComponent(id)}/symbolize`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{}',
  });
  if (!response.ok || response.body === null) {
    const answer = (await response.json().catch(() => ({}))) as { error?: unknown };
    throw new ApiError(response.status, String(answer.error ?? response.statusText));
  }
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = ''; ; ) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) yield JSON.parse(line) as SymbolizingMessage;
  }
}
