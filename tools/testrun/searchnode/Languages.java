import java.util.Map;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.apache.lucene.analysis.Analyzer;
import org.apache.lucene.analysis.TokenStream;
import org.apache.lucene.analysis.cjk.CJKAnalyzer;
import org.apache.lucene.analysis.de.GermanAnalyzer;
import org.apache.lucene.analysis.en.EnglishAnalyzer;
import org.apache.lucene.analysis.es.SpanishAnalyzer;
import org.apache.lucene.analysis.fr.FrenchAnalyzer;
import org.apache.lucene.analysis.miscellaneous.ASCIIFoldingFilter;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.index.IndexSettings;
import org.elasticsearch.index.analysis.AbstractIndexAnalyzerProvider;
import org.elasticsearch.index.analysis.AbstractTokenFilterFactory;
import org.elasticsearch.index.analysis.AnalyzerProvider;
import org.elasticsearch.index.analysis.TokenFilterFactory;
import org.elasticsearch.indices.analysis.AnalysisModule.AnalysisProvider;
import org.elasticsearch.plugins.AnalysisPlugin;
import org.elasticsearch.plugins.Plugin;

/**
 * The analyzers of some languages under the names that they have in a distribution of Elasticsearch: its own module of
 * them is not to be had as an artefact. Lucene, which it takes them from as well, is there.
 */
public final class Languages extends Plugin implements AnalysisPlugin {
    private static final Map<String, Supplier<Analyzer>> ANALYZERS = Map.of(
            "german", GermanAnalyzer::new, "english", EnglishAnalyzer::new, "french", FrenchAnalyzer::new,
            "spanish", SpanishAnalyzer::new, "cjk", CJKAnalyzer::new);

    private static final class Fixed extends AbstractIndexAnalyzerProvider<Analyzer> {
        private final Analyzer analyzer;

        Fixed(IndexSettings index, String name, Settings settings, Analyzer analyzer) {
            super(/*arguments*/);
            this.analyzer = analyzer;
        }

        @Override
        public Analyzer get() {
            return analyzer;
        }
    }

    private static final class Folding extends AbstractTokenFilterFactory {
        Folding(IndexSettings index, String name, Settings settings) {
            super(/*arguments*/);
        }

        @Override
        public TokenStream create(TokenStream in) {
            return new ASCIIFoldingFilter(in);
        }
    }

    @Override
    public Map<String, AnalysisProvider<AnalyzerProvider<? extends Analyzer>>> getAnalyzers() {
        return ANALYZERS.entrySet().stream().collect(Collectors.toMap(Map.Entry::getKey, language ->
                (IndexSettings index, Environment place, String name, Settings settings) ->
                        new Fixed(index, name, settings, language.getValue().get())));
    }

    @Override
    public Map<String, AnalysisProvider<TokenFilterFactory>> getTokenFilters() {
        return Map.of("asciifolding", (index, place, name, settings) -> new Folding(index, name, settings));
    }
}
