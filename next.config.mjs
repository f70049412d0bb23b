// JavaScript, for Next.js would load its compiler (23 MB) into the server to read TypeScript.

/** @type {import('next').NextConfig} */
const config = {
  poweredByHeader: false,
  reactStrictMode: true,
  devIndicators: false,
  // `npm test` checks types over the whole project, once; a build on a user's machine need not wait for that.
  typescript: { ignoreBuildErrors: true },
  images: { unoptimized: true },
};

export default config;
