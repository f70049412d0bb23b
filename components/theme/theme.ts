/** The colours' choice: by the system, or fixed. Kept in a cookie, so that the server's first HTML has it and nothing flashes. */
export type Theme = 'system' | 'light' | 'dark';

export const THEMES: readonly Theme[] = ['system', 'light', 'dark'];
export const THEME_COOKIE = 'hearth-theme';

export function themeFrom(text: string | undefined): Theme {
  return text === 'light' || text === 'dark' ? text : 'system';
}

/** Shows `theme` at once and keeps it for a year. */
export function applyTheme(theme: Theme): void {
  const root = document.documentElement;
  if (theme === 'system') delete root.dataset.theme;
  else root.dataset.theme = theme;
  // biome-ignore lint/suspicious/noDocumentCookie: the Cookie Store API is only there by HTTPS and on localhost.
  document.cookie = `${THEME_COOKIE}=${theme}; path=/; max-age=31536000; samesite=strict`;
}
