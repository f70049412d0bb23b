import { type ComponentType, lazy } from 'react';

/**
 * A part of the page that is not always seen: its code is loaded when it is shown for the first time. It goes into a
 * `Suspense`.
 */
export function lazyPart<Props extends object>(
  load: () => Promise<ComponentType<Props>>,
): ComponentType<Props> {
  return lazy(() =>
    load().then(
      (component) => ({ default: component }),
      // The rest of the page has all it needs, and goes on.
      () => ({ default: NotLoaded as ComponentType<Props> }),
    ),
  );
}

function NotLoaded() {
  return (
    <p role="alert" className="px-2 py-1 text-sm text-dim">
      This part of the page could not be loaded. Is Hearth still running? Then load the page again.
    </p>
  );
}
