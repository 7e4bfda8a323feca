// An HTTP/1.1 client, as client.py: Java's HttpClient. Java runs this file as it is.

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;

class Client {
    public static void main(String[] arguments) throws Exception {
        String server = arguments[1];
        HttpClient client =
                HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
        BufferedReader plan = new BufferedReader(new InputStreamReader(System.in));
        for (String line = plan.readLine(); line != null; line = plan.readLine()) {
            String[] parts = line.split(" ");
            HttpRequest.BodyPublisher body =
                    parts.length > 3
                            ? HttpRequest.BodyPublishers.ofByteArray(
                                    Files.readAllBytes(Path.of(parts[3])))
                            : HttpRequest.BodyPublishers.noBody();
            HttpRequest request =
                    HttpRequest.newBuilder(URI.create(server + parts[1]))
                            .method(parts[0], body)
                            .header("traceparent", parts[2])
                            .build();
            try {
                HttpResponse<byte[]> response =
                        client.send(request, HttpResponse.BodyHandlers.ofByteArray());
                System.out.println(response.statusCode());
            } catch (Exception error) {
                System.out.println(error);
            }
        }
        System.exit(0);
    }
}
