/** `npm run serve-fixture`: the page with the fixture, to look at. */

import { serve } from "./server";

const { port } = await serve(process.env.PAGE_DIST ?? "dist", Number(process.env.PORT ?? 4319));
console.log(`http://127.0.0.1:${port}/`);
