import "@xyflow/react/dist/base.css";
import "./style/theme.css";
import "./style/page.css";
import "./style/map.css";
import "./style/chain.css";

import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { HttpClient } from "./api/client";
import { keepToken, takeToken } from "./api/token";
import { App } from "./App";
import { Crash } from "./Crash";
import { LiveModel } from "./live/model";

const client = new HttpClient(new URL("..", document.baseURI), takeToken(location, history, sessionStorage));
const model = new LiveModel(client);

function useToken(token: string): void {
  keepToken(token, sessionStorage);
  client.token = token;
  model.restart();
}

// A new address with a token in it is opened in this very page when only the fragment differs.
addEventListener("hashchange", () => {
  const token = takeToken(location, history, sessionStorage);
  if (token !== null && token !== client.token) useToken(token);
});

model.start();
const place = document.getElementById("root");
if (place !== null) {
  createRoot(place).render(
    <StrictMode>
      <Crash>
        <App model={model} onToken={useToken} />
      </Crash>
    </StrictMode>,
  );
}
