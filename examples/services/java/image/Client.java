import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;

/** Asks for the lots of forty patients at once: `java Client PORT NAME`. Prints how many different ones there were. */
public final class Client {
    public static void main(String[] arguments) {
        URI at = URI.create("http://127.0.0.1:" + arguments[0] + "/lot");
        HttpClient client = HttpClient.newHttpClient();
        List<CompletableFuture<String>> asked = IntStream.range(0, 40)
            .mapToObj(number -> HttpRequest.BodyPublishers.ofString(arguments[1] + " " + number))
            .map(body -> HttpRequest.newBuilder(at).POST(body).build())
            .map(request -> client.sendAsync(request, HttpResponse.BodyHandlers.ofString())
                .thenApply(HttpResponse::body))
            .toList();
        List<String> lots = asked.stream().map(CompletableFuture::join).toList();
        boolean right = lots.get(7).startsWith(Ward.digest(arguments[1] + " 7", 0).substring(0, 8));
        System.out.println(right + " " + lots.stream().distinct().count());
    }
}
