/** Small line icons, drawn for 16 px; decoration only: the control around them has the name. */
import type { ReactNode } from 'react';

function Icon({ children }: { readonly children: ReactNode }) {
  return (
    <svg
      aria-hidden="true"
      width="16"
      height="16"
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.4"
      strokeLinecap="round"
      strokeLinejoin="round"
      className="shrink-0"
    >
      {children}
    </svg>
  );
}

export const SearchIcon = () => (
  <Icon>
    <circle cx="7" cy="7" r="4.25" />
    <path d="m10.300 10.300 3.200 3.200" />
  </Icon>
);

export const PauseIcon = () => (
  <Icon>
    <path d="M5.750 3.500v9M10.250 3.500v9" strokeWidth="2" />
  </Icon>
);

export const PlayIcon = () => (
  <Icon>
    <path d="M5 3.200v9.600l7.500-4.800z" fill="currentColor" />
  </Icon>
);

export const LinkIcon = () => (
  <Icon>
    <path d="M6.700 9.300a2.600 2.600 0 0 0 3.700 0l2.300-2.300a2.600 2.600 0 0 0-3.700-3.700l-.8.8" />
    <path d="M9.300 6.700a2.600 2.600 0 0 0-3.700 0L3.300 9a2.600 2.600 0 0 0 3.700 3.700l.8-.8" />
  </Icon>
);

export const CheckIcon = () => (
  <Icon>
    <path d="m3.500 8.500 3 3 6-7" />
  </Icon>
);

export const CloseIcon = () => (
  <Icon>
    <path d="m4.250 4.250 7.500 7.500M11.750 4.250l-7.500 7.500" />
  </Icon>
);

export const PencilIcon = () => (
  <Icon>
    <path d="m10.500 3.250 2.250 2.250-7.250 7.250H3.250V10.500z" />
  </Icon>
);

export const TrashIcon = () => (
  <Icon>
    <path d="M3 4.500h10M6.250 4.500V3h3.500v1.500M4.500 4.500l.6 8.500h5.800l.6-8.500M6.750 7v3.500M9.250 7v3.500" />
  </Icon>
);

export const DownloadIcon = () => (
  <Icon>
    <path d="M8 2.750v7.250M5 7.250l3 3 3-3M3 13.250h10" />
  </Icon>
);

export const FileIcon = () => (
  <Icon>
    <path d="M4 2.250h5l3 3v8.500H4zM9 2.250v3h3" />
  </Icon>
);

export const ReloadIcon = () => (
  <Icon>
    <path d="M13 8a5 5 0 1 1-1.500-3.600M13 2.500v2.750h-2.750" />
  </Icon>
);

export const MonitorIcon = () => (
  <Icon>
    <rect x="2.250" y="3" width="11.500" height="7.750" rx="1" />
    <path d="M6 13.250h4" />
  </Icon>
);

export const SunIcon = () => (
  <Icon>
    <circle cx="8" cy="8" r="2.750" />
    <path d="M8 1.750v1M8 13.250v1M1.750 8h1M13.250 8h1M3.600 3.600l.7.7M11.700 11.700l.7.7M3.600 12.400l.7-.7M11.700 4.300l.7-.7" />
  </Icon>
);

export const MoonIcon = () => (
  <Icon>
    <path d="M13 9.500A5.500 5.500 0 0 1 6.500 3a5.500 5.500 0 1 0 6.500 6.500z" />
  </Icon>
);

export const IcicleIcon = () => (
  <Icon>
    <path d="M2.500 3.500h11M2.500 6.500h8M2.500 9.500h5M2.500 12.500h2" strokeWidth="2" />
  </Icon>
);

export const FlameIcon = () => (
  <Icon>
    <path d="M2.500 12.500h11M2.500 9.500h8M2.500 6.500h5M2.500 3.500h2" strokeWidth="2" />
  </Icon>
);

export const WarnIcon = () => (
  <Icon>
    <path d="M8 2.500 14 13H2zM8 6.500v3M8 11.250v.1" />
  </Icon>
);

/** Points to the right: turned by a quarter, what it belongs to is open. */
export const ChevronIcon = () => (
  <Icon>
    <path d="m6 3.500 4.500 4.500L6 12.500" />
  </Icon>
);

/** Hearth's mark: an ember. */
export function Ember({ size = 18 }: { readonly size?: number }) {
  return (
    <svg aria-hidden="true" width={size} height={size} viewBox="0 0 16 16" className="shrink-0">
      <path
        fill="#e8622a"
        d="M8.600 1c.4 2.300-.5 3.500-1.800 4.900C5.300 7.400 3.500 8.900 3.500 11.200 3.500 13.500 5.300 15 8 15s4.500-1.600 4.500-4.100c0-1.500-.6-2.700-1.300-3.700-.2 1-.7 1.700-1.400 2.100C10.300 6.300 10.300 3.200 8.600 1z"
      />
      <path
        fill="#ffc46b"
        d="M8.100 14c-1.300 0-2.200-.8-2.200-2 0-1.300 1.100-1.900 1.900-3.200.9.8 2.300 1.900 2.300 3.300 0 1.100-.8 1.900-2 1.900z"
      />
    </svg>
  );
}
