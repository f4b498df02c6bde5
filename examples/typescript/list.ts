import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { TaskService } from "./gen/teamtask/v1/tasks_pb.js";

const api = process.env.API ?? "http://127.0.0.1:8080";
const sandbox = process.env.SANDBOX ?? "http://127.0.0.1:8090";

// In a frontend this is Clerk's getToken().
const getToken = async () => (await fetch(`${sandbox}/sandbox/token?user=alice&org=d2-gamers`)).text();

const transport = createConnectTransport({
  baseUrl: api,
  interceptors: [
    (next) => async (request) => {
      request.header.set("Authorization", `Bearer ${await getToken()}`);
      return next(request);
    },
  ],
});
const tasks = createClient(TaskService, transport);

const { task } = await tasks.createTask({ name: "Buy milk" });
console.log("created", task?.id);
for (const each of (await tasks.listTasks({})).tasks) {
  console.log(each.done ? "done" : "open", each.name);
}
