import java.util.Map;
import java.util.concurrent.CountDownLatch;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.node.InternalSettingsPreparer;
import org.elasticsearch.node.Node;
import org.elasticsearch.plugins.PluginsLoader;
import org.elasticsearch.plugins.PluginsUtils;

/** As Launch, for Elasticsearch from version 8 on, whose modules are found before the node is made. */
public final class LaunchElastic {
    public static void main(String[] arguments) throws Exception {
        LogConfigurator.configureESLogging();
        Settings home = Settings.builder().put("path.home", arguments[0]).build();
        Environment place = InternalSettingsPreparer.prepareEnvironment(home, Map.of(), null, () -> "test");
        Node node = new Node(place, PluginsLoader.createPluginsLoader(
                PluginsUtils.getModuleBundles(place.modulesDir()/*all*/),
                PluginsUtils.getPluginBundles(place.pluginsDir()/*all*/), Map.of(), false));
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                node.close();
            } catch (Exception e) {
                e.printStackTrace();
            }
        }));
        node.start();
        new CountDownLatch(1).await();
    }
}
